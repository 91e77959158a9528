"""The commands of who gives out keys, through HTTP; they need the key of an admin in CLR_API_KEY."""

from typing import Annotated

import typer

from clr_tuner.commands.options import ApiKey, AsJson, Url
from clr_tuner.commands.session import connect
from clr_tuner.commands.terminal import columns, print_json, say, warn

app = typer.Typer(no_args_is_help=True)

LIMIT = "0: as many as it likes; default: as the service says."


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is.")],
    project: Annotated[
        str | None, typer.Option(help="Whose jobs it sees; it begins with its first key. Default: default.")
    ] = None,
    scope: Annotated[str | None, typer.Option(help="read, submit (the default) or admin.")] = None,
    expires_in_days: Annotated[float | None, typer.Option(help="Default: never.")] = None,
    queued_jobs: Annotated[int | None, typer.Option(help=f"Jobs that may be queued. {LIMIT}")] = None,
    steps_a_day: Annotated[int | None, typer.Option(help=f"Steps in 24 hours. {LIMIT}")] = None,
    requests_a_minute: Annotated[int | None, typer.Option(help=f"Requests a minute. {LIMIT}")] = None,
    as_json: AsJson = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Make a key and print its secret, this once."""
    with connect(url, api_key) as client:
        key = client.make_key(
            name,
            project=project,
            scope=scope,
            expires_in_days=expires_in_days,
            queued_jobs=queued_jobs,
            steps_a_day=steps_a_day,
            requests_a_minute=requests_a_minute,
        )
    if as_json:
        print_json(key)
        return
    warn(
        f"key {key['id']} may {key['scope']} in the project {key['project']}; keep its secret, shown this once:"
    )
    say(key["secret"])


@app.command()
def whoami(as_json: AsJson = False, url: Url = None, api_key: ApiKey = None) -> None:
    """Print whose key this is and what it may do; any key may ask."""
    with connect(url, api_key) as client:
        told = client.whoami()
    if as_json:
        print_json(told)
    else:
        say(columns([line for line in told.items() if line[1] is not None]))


@app.command("list")
def list_them(as_json: AsJson = False, url: Url = None, api_key: ApiKey = None) -> None:
    """List the keys that were made, newest first."""
    with connect(url, api_key) as client:
        keys = list(client.keys())
    if as_json:
        print_json(keys)
        return
    names = ("id", "name", "project", "scope", "prefix", "expires_at", "revoked_at")
    rows = [[key[name] for name in names] for key in keys]
    header = [name.upper().replace("_AT", "") for name in names]
    say(columns([header, *rows]) if rows else "no keys")


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="Id of the key.")],
    as_json: AsJson = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Have a key open nothing any more; the jobs that it asked for stay."""
    with connect(url, api_key) as client:
        key = client.revoke_key(id)
    if as_json:
        print_json(key)
    else:
        say(f"the key {key['prefix']}... of {key['name']} is revoked")
