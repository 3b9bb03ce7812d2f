"""Linear mixed models of the F1 of hypernyms, by statsmodels.

    f1 ~ encoder * lm              which encoder, which language model; both coded as -1 and +1
    f1 ~ coherence + backbone_f1   visual coherence of a hypernym against what the LM knows of it by text

Random effects are variance components: an intercept a hypernym, a slope a hypernym for each predictor that varies
within hypernyms, an intercept a seed.  Hypernyms and seeds are crossed (all rows are one group).

How that differs from the published lmer fits: random intercepts and slopes are uncorrelated (`||` in lmer; the encoder
model there has `|`); there are no slopes a seed; predictors that are constant within hypernyms get no slope, since it
could not be told from the intercept; p is of a normal z, where lmer has t; both are fitted by REML.
A fit that did not converge, or that stands on the edge of what is possible, says so in `notes`; nothing is retried
until it looks well.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from probing_vlp.taxonomy.answers.intervals import Z


class Term(NamedTuple):
    """A fixed effect with its standard error, z, two-sided p and 95 % interval."""

    name: str
    estimate: float
    error: float
    z: float
    p: float
    low: float
    high: float


@dataclass(frozen=True)
class Mixed:
    """A fitted model, or why there is none."""

    formula: str
    terms: tuple[Term, ...]
    variances: tuple[tuple[str, float], ...]
    """Name and variance of each random effect, the residual last."""
    n: int
    """Rows."""
    hypernyms: int
    converged: bool
    notes: tuple[str, ...]
    """What a reader must know of the fit, in words."""


def fit(table: pd.DataFrame, response: str, predictors: Sequence[str], interaction: bool = False) -> Mixed:
    """Fit `response` on `predictors` (two labels become -1 and +1 by name) with effects of columns hypernym and seed.

    Rows with a missing value are left out.
    """
    data = table[[response, *predictors, "hypernym", "seed"]].dropna().reset_index(drop=True)
    formula = f"{response} ~ {(' * ' if interaction else ' + ').join(predictors)}"
    n, hypernyms = len(data), data["hypernym"].nunique()
    if n <= len(predictors) + 3 or hypernyms < 3:
        return Mixed(formula, (), (), n, hypernyms, False, (f"{n} rows of {hypernyms} hypernyms are too few to fit.",))
    if n == hypernyms:
        why = "One row a hypernym: what is the hypernym's own cannot be told from the residual; run several seeds."
        return Mixed(formula, (), (), n, hypernyms, False, (why,))
    notes = []
    for name in predictors:
        if not pd.api.types.is_numeric_dtype(data[name]):
            labels = sorted(set(data[name].astype(str)))
            data[name] = np.where(data[name].astype(str) == labels[0], -1.0, 1.0)
            notes.append(f"{name}: {labels[0]} is -1, {' and '.join(labels[1:])} +1.")
        if data[name].nunique() < 2:
            return Mixed(formula, (), (), n, hypernyms, False, (f"{name} has one value: nothing to compare.",))
    slopes = [name for name in predictors if data.groupby("hypernym")[name].nunique().max() > 1]
    if fixed := [name for name in predictors if name not in slopes]:
        notes.append(f"{' and '.join(fixed)}: constant within hypernyms, so without random slopes.")
    return _fitted(data, formula, slopes, notes)


def _fitted(data: pd.DataFrame, formula: str, slopes: list[str], notes: list[str]) -> Mixed:
    import statsmodels.formula.api as smf

    parts = {"hypernym": "0 + C(hypernym)", **{f"hypernym:{name}": f"0 + C(hypernym):{name}" for name in slopes}}
    if data["seed"].nunique() > 1:
        parts["seed"] = "0 + C(seed)"
    else:
        notes.append("One seed: no effect of seeds.")
    n, hypernyms = len(data), data["hypernym"].nunique()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = smf.mixedlm(formula, data, groups=np.ones(n), vc_formula=parts)
            found = model.fit(reml=True)
            errors = np.asarray(found.bse_fe)
        except (np.linalg.LinAlgError, ValueError) as error:
            notes.append(f"The fit failed: {error}.")
            return Mixed(formula, (), (), n, hypernyms, False, tuple(notes))
    if not found.converged:
        notes.append("The fit DID NOT CONVERGE: read none of its numbers as results.")
    notes += sorted({f"statsmodels warns: {str(one.message).strip().rstrip('.')}." for one in caught})
    terms = tuple(
        _term(name, float(estimate), float(error))
        for name, estimate, error in zip(model.exog_names, found.fe_params, errors, strict=True)
    )
    variances = [*zip(model.exog_vc.names, map(float, found.vcomp), strict=True), ("residual", float(found.scale))]
    if any(variance < 1e-6 * found.scale for _, variance in variances):
        notes.append("A variance is 0: the fit stands on the edge of what is possible.")
    return Mixed(formula, terms, tuple(variances), n, hypernyms, bool(found.converged), tuple(notes))


def _term(name: str, estimate: float, error: float) -> Term:
    if not (math.isfinite(error) and error > 0):
        return Term(name, estimate, math.nan, math.nan, math.nan, math.nan, math.nan)
    z = estimate / error
    return Term(name, estimate, error, z, math.erfc(abs(z) / math.sqrt(2)), estimate - Z * error, estimate + Z * error)
