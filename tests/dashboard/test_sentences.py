"""The dashboard has the sentences of explanations in German, with the same values to fill in."""

import re
from pathlib import Path

from hydria.model.sentences import SENTENCES

_GERMAN = Path(__file__).parents[2] / "web/src/sentences.ts"


def test_every_sentence_has_a_german_one() -> None:
    german = dict(re.findall(r'^  (\w+):\s+"(.*)",$', _GERMAN.read_text(), re.MULTILINE))
    assert german.keys() == SENTENCES.keys()
    for code, text in SENTENCES.items():
        assert sorted(re.findall(r"\{\w+\}", german[code])) == sorted(re.findall(r"\{\w+\}", text)), code
