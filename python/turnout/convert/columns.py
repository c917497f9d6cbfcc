"""Which input columns the outputs of scikit-learn's transformers come from, and what the transformers know of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from turnout.convert.ranges import UNKNOWN, Range, ranges_of_moments

Step: TypeAlias = tuple[Callable[[NDArray[np.float64], float], NDArray[np.float64]], float]
"""One operation of a transformer, with its number: in float64 and in this order, they give the framework's own bits."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where one transformed column comes from.

    Attributes:
        column: the position of the column.
        steps: what is done to its values.
        scale: the same undone: `column = transformed * scale + offset`, but for rounding.
        offset: see `scale`.
        fill: the transformed value of a missing one; None leaves it missing.
    """

    column: int
    steps: tuple[Step, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    fill: float | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the values are the column's own, where there are any."""
        return not self.steps

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the transformed values."""
        for operation, number in self.steps:
            values = operation(values, number)
        return values

    def undo(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the column's values for transformed ones, but for rounding."""
        return values * self.scale + self.offset

    def then(self, following: "Source") -> "Source":
        """Returns this source with the operations of another one after it."""
        fill = following.fill
        if self.fill is not None:
            fill = float(following.apply(np.array([self.fill]))[0])
        scale, offset = self.scale * following.scale, self.scale * following.offset + self.offset
        return Source(self.column, self.steps + following.steps, scale, offset, fill)


@dataclass(frozen=True, slots=True)
class TransformedColumns:
    """What a transformer makes of its columns.

    Attributes:
        sources: for each transformed column, where it comes from; None where it mixes several or cannot be undone.
            Empty where not even their number is known.
        ranges: where the values of each input column lie.
    """

    sources: tuple[Source | None, ...]
    ranges: tuple[Range, ...]

    def then(self, following: "TransformedColumns") -> "TransformedColumns":
        """Returns what this transformation makes of its columns with another one after it."""
        return TransformedColumns(tuple(self._through(source) for source in following.sources), self.ranges)

    def _through(self, following: Source | None) -> Source | None:
        before = self.sources[following.column] if following else None
        return before.then(following) if before and following else None


def untouched(width: int) -> TransformedColumns:
    """Returns what no transformation makes of columns."""
    return TransformedColumns(tuple(Source(index) for index in range(width)), (UNKNOWN,) * width)


def transformed_columns(step: Any, width: int, names: Sequence[str] | None) -> TransformedColumns | None:
    """Returns what a fitted transformer makes of its columns; None for one that is no transformer or is not known.

    Args:
        step: the transformer, or the words that pipelines have for none.
        width: the number of its input columns.
        names: their names, where they have any.
    """
    if step is None or isinstance(step, str) or (type(step).__name__ == "FunctionTransformer" and step.func is None):
        return untouched(width)
    if hasattr(step, "transformers_"):
        return _of_column_transformer(step, width, names)
    if hasattr(step, "steps"):
        return _of_pipeline(step, width, names)
    if hasattr(step, "get_support"):
        kept = np.asarray(step.get_support(indices=True)).tolist()
        return TransformedColumns(tuple(Source(int(index)) for index in kept), (UNKNOWN,) * width)
    name = type(step).__name__
    if name == "SimpleImputer":
        return _of_imputer(step, width)
    if hasattr(step, "categories_"):
        return TransformedColumns(_sources_of_encoder(step), _ranges_of_categories(step))
    scaled = _of_scaler(step, name)
    return scaled if scaled and len(scaled.sources) == width else None


def _of_pipeline(pipeline: Any, width: int, names: Sequence[str] | None) -> TransformedColumns | None:
    columns = untouched(width)
    ranges = [UNKNOWN] * width
    for _, step in pipeline.steps:
        following = transformed_columns(step, len(columns.sources), names) if columns.sources else None
        if following is None:
            return None
        for source, each in zip(columns.sources, following.ranges, strict=True):
            if source is not None and each != UNKNOWN and ranges[source.column] == UNKNOWN:
                ranges[source.column] = each if source.is_plain else each.mapped(source.scale, source.offset)
        columns, names = columns.then(following), None
    return TransformedColumns(columns.sources, tuple(ranges))


def _of_column_transformer(step: Any, width: int, names: Sequence[str] | None) -> TransformedColumns | None:
    ranges = [UNKNOWN] * width
    sources: list[Source | None] = []
    is_known = True
    for transformer, indices in parts_of(step, width, names):
        inner = transformed_columns(transformer, len(indices), None)
        if inner is None or not inner.sources:
            is_known = False
            continue
        for index, each in zip(indices, inner.ranges, strict=True):
            ranges[index] = each
        sources += [source and replace(source, column=indices[source.column]) for source in inner.sources]
    return TransformedColumns(tuple(sources) if is_known else (), tuple(ranges))


def parts_of(step: Any, width: int, names: Sequence[str] | None) -> Iterator[tuple[Any, list[int]]]:
    """Yields the transformers of a column transformer, each with the positions of its columns, without dropped ones."""
    for _, transformer, columns in step.transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        indices = _positions(step, columns, width, names)
        if indices:
            yield transformer, indices


def _positions(step: Any, columns: Any, width: int, names: Sequence[str] | None) -> list[int]:
    """Returns the positions that a column transformer's choice stands for: names, numbers, a slice or a mask."""
    fitted = [str(name) for name in getattr(step, "feature_names_in_", ())]
    count = len(fitted) or width
    if isinstance(columns, slice):
        chosen = _slice(cast("Any", columns), fitted, count)
    else:
        chosen = [columns] if isinstance(columns, str | int) else list(columns)
        if chosen and all(isinstance(each, bool | np.bool_) for each in chosen):
            chosen = [index for index, each in enumerate(chosen) if each]
        chosen = [fitted.index(each) if isinstance(each, str) else int(each) % count for each in chosen]
    # `names` may leave out columns that the model drops, so that positions in the fit are not those in `names`.
    return [list(names).index(fitted[each]) for each in chosen] if names and fitted else chosen


def _slice(columns: Any, fitted: list[str], count: int) -> list[int]:
    start = fitted.index(columns.start) if isinstance(columns.start, str) else columns.start
    # A slice of names includes its end, as everywhere in pandas.
    stop = fitted.index(columns.stop) + 1 if isinstance(columns.stop, str) else columns.stop
    return list(range(count))[start : stop : columns.step]


def used_columns(model: Any, names: Sequence[str]) -> list[str]:
    """Returns the columns that a model of named columns needs, in the order of the fit."""
    first = model
    while getattr(first, "steps", None):
        first = first.steps[0][1]
    if hasattr(first, "transformer_list"):
        used = {name for _, part in first.transformer_list for name in used_columns(part, names)}
    elif hasattr(first, "transformers_"):
        used = {names[index] for _, indices in parts_of(first, len(names), names) for index in indices}
    else:
        used = set(names)
    return [name for name in names if name in used]


def _of_imputer(step: Any, width: int) -> TransformedColumns | None:
    fills = np.asarray(step.statistics_)
    marks_nan = isinstance(step.missing_values, float) and np.isnan(step.missing_values)
    if step.add_indicator or len(fills) != width or not marks_nan or fills.dtype.kind != "f" or np.isnan(fills).any():
        return None
    sources = tuple(Source(index, fill=float(fill)) for index, fill in enumerate(fills))
    return TransformedColumns(sources, (UNKNOWN,) * width)


def _of_scaler(step: Any, name: str) -> TransformedColumns | None:
    """Reads the scalers, whose operations stand here in the order in which scikit-learn does them."""
    if name == "StandardScaler" and step.scale_ is not None and step.mean_ is not None:
        steps = ((np.subtract, step.mean_), (np.divide, step.scale_))
        return _scaled(steps, step.scale_, step.mean_, ranges_of_moments(step.mean_, step.scale_))
    if name == "RobustScaler" and step.scale_ is not None and step.center_ is not None:
        steps = ((np.subtract, step.center_), (np.divide, step.scale_))
        return _scaled(steps, step.scale_, step.center_, ranges_of_moments(step.center_, step.scale_))
    if name == "MinMaxScaler" and not step.clip:
        pairs = zip(step.data_min_.tolist(), step.data_max_.tolist(), strict=True)
        steps = ((np.multiply, step.scale_), (np.add, step.min_))
        ranges = tuple(Range(low, high) for low, high in pairs)
        return _scaled(steps, 1.0 / np.asarray(step.scale_), -step.min_ / step.scale_, ranges)
    if name == "MaxAbsScaler":
        ranges = tuple(Range(-each, each) for each in step.max_abs_.tolist())
        return _scaled(((np.divide, step.scale_),), step.scale_, [0.0] * len(ranges), ranges)
    return None


def _scaled(steps: Sequence[Any], scale: Any, offset: Any, ranges: tuple[Range, ...]) -> TransformedColumns:
    sources = [
        Source(
            index, tuple((operation, float(numbers[index])) for operation, numbers in steps), float(factor), float(at)
        )
        for index, (factor, at) in enumerate(zip(scale, offset, strict=True))
    ]
    return TransformedColumns(tuple(sources), ranges)


def _sources_of_encoder(step: Any) -> tuple[Source | None, ...]:
    """No encoded column is its input on another scale; the count is all that is known."""
    if type(step).__name__ == "OneHotEncoder":
        return (None,) * int(sum(step._n_features_outs))
    return (None,) * len(step.categories_)


def _ranges_of_categories(step: Any) -> tuple[Range, ...]:
    return tuple(Range(categories=_usable(values)) for values in step.categories_)


def _usable(values: Any) -> tuple[Any, ...]:
    """Returns the categories that a wire can carry: not the missing ones."""
    items = np.asarray(values).tolist()
    return tuple(item for item in items if item is not None and not (isinstance(item, float) and np.isnan(item)))


def text_columns(model: Any, names: Sequence[str]) -> list[str]:
    """Returns the names of the columns that hold text: those for which an encoder or imputer has learnt text."""
    first = model
    while getattr(first, "steps", None):
        first = first.steps[0][1]
    if hasattr(first, "transformer_list"):
        return [name for _, part in first.transformer_list for name in text_columns(part, names)]
    if not hasattr(first, "transformers_"):
        return [name for index, name in enumerate(names) if _has_text(first, index)]
    parts = parts_of(first, len(names), names)
    return [names[at] for part, indices in parts for index, at in enumerate(indices) if _has_text(part, index)]


def _has_text(step: Any, index: int) -> bool:
    steps = [each for _, each in step.steps] if getattr(step, "steps", None) else [step]
    for each in steps:
        categories, statistics = getattr(each, "categories_", ()), getattr(each, "statistics_", ())
        learnt = [*categories[index : index + 1], statistics[index : index + 1]]
        if any(isinstance(item, str) for values in learnt for item in np.asarray(values, dtype=object).tolist()):
            return True
        if len(categories):
            return False
    return False
