"""Names, and acceptances for one of several sources (design §6, §7)."""

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
