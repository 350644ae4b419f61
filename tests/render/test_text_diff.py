"""Differences of configurations: by sections, and quick whatever changes."""

from hydria.render.text_diff import text_diff

NAMES = ("a", "b")
CONFIGURATION = "global\n    maxconn 1\n\nbackend x\n    mode http\n    server s1 10.0.0.1:80 weight 1\n"


def test_equal_texts_differ_in_nothing() -> None:
    assert text_diff(CONFIGURATION, CONFIGURATION, NAMES) == ""


def test_a_changed_line_is_shown_in_its_section() -> None:
    changed = CONFIGURATION.replace("weight 1", "weight 2")
    assert text_diff(CONFIGURATION, changed, NAMES) == (
        "--- a\n+++ b\n@@ -2,2 +2,2 @@ backend x\n     mode http\n"
        "-    server s1 10.0.0.1:80 weight 1\n+    server s1 10.0.0.1:80 weight 2\n"
    )


def test_sections_that_come_and_go_are_shown_whole() -> None:
    other = CONFIGURATION.replace("backend x", "backend y")
    lines = text_diff(CONFIGURATION, other, NAMES).splitlines()
    assert lines[2:4] == ["@@ -1,3 +0,0 @@ backend x", "-backend x"]
    assert lines[6:8] == ["@@ -0,0 +1,3 @@ backend y", "+backend y"]
    assert text_diff("", CONFIGURATION, NAMES).count("\n+") == 7 - 1


def test_blocks_of_nftables_are_sections() -> None:
    before = "table inet t {\n    chain a {\n        accept\n    }\n    chain b {\n        drop\n    }\n}\n"
    found = text_diff(before, before.replace("drop", "accept"), NAMES)
    assert "chain b {" in found
    assert "chain a" not in found


def test_a_long_section_of_which_half_changes_takes_no_longer() -> None:
    """The shortest difference of these would take minutes."""
    servers = [f"    server s{number} 10.0.0.1:80 weight 1" for number in range(20_000)]
    before = "\n".join(["backend x", *servers])
    after = "\n".join(["backend x", *(each[:-1] + str(1 + index % 2) for index, each in enumerate(servers))])
    lines = text_diff(before, after, NAMES).splitlines()
    assert len(lines) == 3 + 20_000
    assert lines[3:5] == ["-    server s1 10.0.0.1:80 weight 1", "+    server s1 10.0.0.1:80 weight 2"]
