"""The Streamlit app: pages as files, controls made from the declarations of assumptions, a scenario that lives in the URL."""
