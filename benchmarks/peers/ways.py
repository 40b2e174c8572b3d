"""The ways to a picture that are compared: what each needs installed, what loads it, and its cell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]

KERNEL = "ipykernel==7.4.0"
BARE = "a kernel alone"
"""The environment that the others are compared with."""

ENVIRONMENTS = {
    BARE: (KERNEL,),
    "seedream-nb": (KERNEL, str(CHECKOUT)),
    "JupyterChatbook": (KERNEL, "JupyterChatbook==0.1.6"),
    "openai": (KERNEL, "openai==3.54.0"),
    "httpx": (KERNEL, "httpx==0.28.1"),
}
"""What is installed in each environment, by pip, each with the newest of whatever else it asks for."""

MODEL = "gpt-image-2.5-flare"
"""A name that the magic and the SDK take with any size; our server makes the same pictures for every name."""

SDK = """\
import base64
from IPython.display import Image, display
from openai import OpenAI
client = OpenAI()"""
SDK_CELL = f"""\
reply = client.images.generate(model="{MODEL}", prompt="PROMPT", size="2048x2048"FORMAT)
display(Image(base64.b64decode(reply.data[0].b64_json)))"""

HTTPX = """\
import os, httpx
from IPython.display import Image, display
url, headers = os.environ["SEEDREAM_BASE_URL"], {"Authorization": "Bearer " + os.environ["NOVITA_API_KEY"]}"""
HTTPX_CELL = """\
body = {"prompt": "PROMPT", "size": "2048x2048", "watermark": True}
reply = httpx.post(url + "/v3/seedream-4.0", json=body, headers=headers, timeout=600)
link = reply.raise_for_status().json()["images"][0]
display(Image(httpx.get(link).raise_for_status().content))"""

DALLE_CELL = f"%%dalle -m {MODEL} -s 2048x2048 --no_clipboard"
"""It copies each picture to the clipboard unless told not to, and fails where there is none, as on a server."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to a picture: a cell that is run once, and one for each picture, where PROMPT is put in."""

    name: str
    environment: str
    load: str
    cell: str


WAYS = (
    Way(
        name="`%%seedream`",
        environment="seedream-nb",
        load="%load_ext seedream_nb",
        cell="%%seedream\nPROMPT",
    ),
    Way(
        name="`%%dalle`, PNG (its default)",
        environment="JupyterChatbook",
        load="%load_ext JupyterChatbook",
        cell=f"{DALLE_CELL}\nPROMPT",
    ),
    Way(
        name="`%%dalle --output_format jpeg`",
        environment="JupyterChatbook",
        load="%load_ext JupyterChatbook",
        cell=f"{DALLE_CELL} --output_format jpeg\nPROMPT",
    ),
    Way(
        name="openai SDK and `display`, PNG (its default)",
        environment="openai",
        load=SDK,
        cell=SDK_CELL.replace("FORMAT", ""),
    ),
    Way(
        name="openai SDK and `display`, JPEG",
        environment="openai",
        load=SDK,
        cell=SDK_CELL.replace("FORMAT", ', output_format="jpeg"'),
    ),
    Way(
        name="httpx by hand, JPEG",
        environment="httpx",
        load=HTTPX,
        cell=HTTPX_CELL,
    ),
)
