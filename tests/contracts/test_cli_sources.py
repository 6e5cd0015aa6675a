"""Names, and acceptances for one of several sources (design §6, §7)."""

import json

from tests.contracts.cli_tenant import Desk


def test_accepting_for_one_source_leaves_the_others(desk: Desk) -> None:
    first = desk.run("export", "--json").json
    one = next(source for source in first["sources"] if source["excepted"])
    for code in first["exceptions"]:
        assert desk.run("accept", code, "--source", one["name"], "--by", "A", "--reason", "r").exit == 0
    assert desk.run("export", "--json").exit == 3
    assert desk.run("export", "--json", "--source", f"onedrive/{one['name']}").exit == 0


def test_names_choose_sources(desk: Desk) -> None:
    everything = desk.run("export", "--json").json["sources"]
    names = [source["name"] for source in everything]
    desk.configure(more=f"sources: {{mail: none, sharepoint: none, directory: off, exclude: ['{names[0].upper()}']}}\n")
    assert [source["name"] for source in desk.run("export", "--json").json["sources"]] == names[1:]
    chosen = desk.run("export", "--json", "--source", names[2], "--source", f"onedrive/{names[1]}").json["sources"]
    assert [source["name"] for source in chosen] == sorted(names[1:3])


def test_what_the_configuration_leaves_out_is_named(desk: Desk) -> None:
    """In the record of the run, by name; in the text, by number; the document of `--json` stays as it is."""
    names = [source["name"] for source in desk.run("export", "--json").json["sources"]]
    asked = f"sources: {{mail: none, sharepoint: none, directory: off, onedrive: ['{names[0]}', '{names[1]}']}}\n"
    for more, left in (
        (f"sources: {{mail: none, sharepoint: none, directory: off, exclude: ['{names[0]}']}}\n", names[:1]),
        (asked, names[2:]),
    ):
        desk.configure(more=more)
        document = desk.run("export", "--json").json
        record = json.loads((desk.copy / "runs" / f"{document['run']}.json").read_text())
        assert record["not_asked"] == [f"onedrive/{name}" for name in left]
        assert "not_asked" not in document
        number = "1 OneDrive is" if len(left) == 1 else f"{len(left)} OneDrives are"
        assert f"{number} not asked for by the configuration." in desk.run("export").out
    document = desk.run("export", "--json", "--source", names[0]).json
    assert json.loads((desk.copy / "runs" / f"{document['run']}.json").read_text())["not_asked"] == []
