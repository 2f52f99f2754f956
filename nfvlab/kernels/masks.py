"""What cache kernels are told of classes and accesses, checked, and as the kernels take it; contention ways."""

import numpy as np

MAX_CLASSES = 256  # a class is one byte of a stream


def widen(mask, contention):
    """The mask, and all of the contention ways (those that I/O allocates into) if it has one of them.

    mask: an integer, or an array of integers of any shape; contention: an integer.
    """
    if isinstance(mask, int):
        return mask | contention if mask & contention else mask
    return np.where(mask & contention, mask | contention, mask)[()]


def check_rules(masks, rmid_of_class, *, ways: int, rmids: int) -> tuple[np.ndarray, np.ndarray]:
    """Masks as uint64[classes, 2] (data, code) and RMIDs as int32[classes], or a ValueError."""
    masks, of_class = np.asarray(masks), np.asarray(rmid_of_class)
    if masks.ndim != 2 or masks.shape[1] != 2 or masks.dtype.kind not in "ui":
        raise ValueError(f"masks of {_form(masks)}: must be integers of shape [classes, 2], data and code")
    if not 1 <= len(masks) <= MAX_CLASSES:
        raise ValueError(f"masks of {len(masks)} classes: must be 1 to {MAX_CLASSES}")
    signed = masks.astype(np.int64)
    for c, column in np.argwhere((signed <= 0) | (signed >= 1 << ways)):
        value, what = int(masks[c, column]), ("data", "code")[column]
        rule = f"must have one or more of the ways {(1 << ways) - 1:#x}, and no other ({ways} ways)"
        raise ValueError(f"{what} mask {value:#x} of class {c}: {rule}")
    if of_class.shape != (len(masks),) or of_class.dtype.kind not in "ui":
        raise ValueError(f"rmid_of_class of {_form(of_class)}: must be {len(masks)} integers, one a class")
    for c in np.flatnonzero((of_class < 0) | (of_class >= rmids)):
        raise ValueError(
            f"RMID {of_class[c]} of class {c}: this cache has RMIDs 0 to {rmids - 1}; make it for more"
        )
    return masks.astype(np.uint64), of_class.astype(np.int32)


def check_integers(name: str, values, dtype) -> np.ndarray:
    """A one-dimensional array of integers as another integer type that holds them all, or a ValueError."""
    values, most = np.asarray(values), np.iinfo(dtype).max
    if values.ndim != 1 or (values.size and values.dtype.kind not in "ui"):
        raise ValueError(f"{name} of {_form(values)}: must be integers, one an access")
    if values.size and values.dtype != dtype and not 0 <= values.min() <= values.max() <= most:
        raise ValueError(f"{name} from {values.min()} to {values.max()}: must be 0 to {most}")
    return np.ascontiguousarray(values, dtype=dtype)


def check_length(**columns: np.ndarray) -> None:
    """Columns of one length, or a ValueError."""
    if len({column.size for column in columns.values()}) > 1:
        sizes = ", ".join(f"{name} {column.size}" for name, column in columns.items())
        raise ValueError(f"{sizes} items: must be as many of each")


def check_class(class_id: np.ndarray, classes: int) -> None:
    """Classes that there are masks for, or a ValueError."""
    if class_id.size and class_id.max() >= classes:
        raise ValueError(f"class_id {class_id.max()}: there are masks for classes 0 to {classes - 1}")


def _form(values: np.ndarray) -> str:
    """What an array is, for a message."""
    return f"{values.dtype}[{', '.join(map(str, values.shape))}]"
