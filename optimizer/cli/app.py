"""`overtrain app`: the Streamlit app."""

import threading
from typing import Annotated, Any

import typer

__all__ = ["app"]


def app(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8501,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Open the app in a browser. It accepts connections from this machine only.

    Example: overtrain app --port 8502 --no-browser
    """
    from pathlib import Path

    from streamlit.web.bootstrap import load_config_options, run

    script = Path(__file__).parents[2] / "streamlit_app.py"
    options: dict[str, Any] = {
        "server.address": "localhost",
        "server.port": port,
        "server.headless": not browser,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": 2,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorLinks": False,
        "runner.magicEnabled": False,
        "theme.light.primaryColor": "#1f6aa5",
        "theme.dark.primaryColor": "#5aa9e6",
        "global.developmentMode": False,
    }
    flags = {name.replace(".", "_"): value for name, value in options.items()}
    load_config_options(flags)
    threading.Thread(target=_warm, daemon=True).start()
    run(str(script), False, [], flags)


def _warm() -> None:
    from ..app.answers import warm

    warm()
