"""Scores kept beside a run, so that it goes on where it was and makes again only what changed.

A file holds the scores of one space against one target: `scores/KEY.npz`, KEY being a hash of all that they depend on
(the space's vectors, the target's distances, words and subsets, the plan, what is taken out).  Numbers and text only.
"""

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from probing_vlp.files import atomic_write
from probing_vlp.similarity.distances.rdms import Rdms
from probing_vlp.similarity.study.scoring import Base, Plan, Score, Scored, Space, score
from probing_vlp.similarity.study.targets import Target

VERSION = 1
"""Of how scores are made; another one makes every kept file anew."""


def kept_scores(
    folder: Path,
    spaces: Sequence[Space],
    target: Target,
    base: Base,
    plan: Plan,
    experiential: Rdms | None = None,
    counterparts: Mapping[str, str] | None = None,
) -> dict[tuple[str, str, int | None], Scored]:
    """`scoring.score`, in the order of `spaces`; what `folder` holds already is read, the rest is made and written."""
    given = counterparts or {}
    settings = [VERSION, asdict(plan), base.name, base.words, {name: list(of) for name, of in base.subsets.items()}]
    common = [settings, _digest(target.rdms), _digest(experiential) if experiential is not None else ""]
    trained = {(space.model, space.condition): space for space in spaces if space.seed is None}
    files = {}
    for space in spaces:
        other = trained.get((given.get(space.model, ""), space.condition)) if space.seed is None else None
        made_of = [*common, space.digest, space.seed is None, (other.model, other.digest) if other else ""]
        files[space.key] = folder / f"{hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:32]}.npz"
    held = {key: _read(path) for key, path in files.items()}
    lacking = [space for space in spaces if held[space.key] is None]
    if lacking:
        made_anew = {space.key for space in lacking}
        beside = {(given.get(space.model, ""), space.condition) for space in lacking if space.seed is None}
        needed = [
            space for space in spaces if space.key in made_anew or (space.seed is None and space.key[:2] in beside)
        ]
        made = score(needed, target, base, plan, experiential, given)
        for space in lacking:
            held[space.key] = made[space.key]
            atomic_write(files[space.key], _to_bytes(made[space.key]))
    return {key: scored for key, scored in held.items() if scored is not None}


def _digest(rdms: Rdms) -> str:
    digest = hashlib.sha256(repr((rdms.words, rdms.participants, rdms.source)).encode())
    digest.update(np.ascontiguousarray(rdms.dissimilarities).tobytes())
    return digest.hexdigest()


def _to_bytes(scored: Scored) -> bytes:
    about = {
        "layers": scored.layers,
        "profile": dict(scored.profile),
        "consensus": scored.consensus,
        "keys": list(scored.scores),
        "people": list(scored.people),
        "sizes": scored.sizes,
    }
    packed = io.BytesIO()
    np.savez(
        packed,
        about=np.array(json.dumps(about)),
        values=np.array([one.value for one in scored.scores.values()]),
        p=np.array([one.p for one in scored.scores.values()]),
        drawn=np.array([one.drawn for one in scored.scores.values()]),
        people=np.array(list(scored.people.values())),
    )
    return packed.getvalue()


def _read(path: Path) -> Scored | None:
    """What was kept; nothing for a file that is not there, cut, or foreign."""
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile), np.load(path) as held:
        about = json.loads(str(held["about"]))
        values, p, drawn, people = (held[name] for name in ("values", "p", "drawn", "people"))
        scores = {
            (key[0], key[1], key[2]): Score(float(values[i]), drawn[i], float(p[i]))
            for i, key in enumerate(about["keys"])
        }
        return Scored(
            about["layers"],
            about["profile"],
            about["consensus"],
            scores,
            dict(zip(about["people"], people, strict=True)),
            {name: (size[0], size[1]) for name, size in about["sizes"].items()},
        )
    return None
