"""Flow programs, evaluated and built slowly: the witness of every other evaluator. Imports nothing of ours."""

import base64
import math

import numpy as np
import scipy.linalg

# --- evaluation: one vertex at a time, straight from the definitions


def positions(program, x, t, frames):
    """Where every vertex stands on the screen at time `t`: V(h - c), an (N, 3) array."""
    if program["kind"] == "sampled":
        k = min(math.floor(t), len(program["positions"]) - 2)
        a, b = program["positions"][k], program["positions"][k + 1]
        return np.asarray(a, float) * (1 - (t - k)) + np.asarray(b, float) * (t - k)
    if not program["layers"]:
        return (np.asarray(x, float) - frames[0]["center"]) @ frames[0]["matrix"].T
    found = []
    for vertex in np.asarray(x, float):
        unit = max(math.ceil(t), 1)
        u = t - (unit - 1)
        y = place(program, vertex, unit, u)
        a, b = frames[unit - 1], frames[unit]
        matrix = (1 - u) * pad(a["matrix"], len(y)) + u * pad(b["matrix"], len(y))
        center = (1 - u) * pad(a["center"], len(y)) + u * pad(b["center"], len(y))
        found.append(matrix @ (y - center))
    return np.array(found).reshape(-1, 3)


def ends(program, vertex):
    """h_0, ..., h_L of one vertex by the maps of the layers."""
    found = [np.asarray(vertex, float)]
    for layer in program["layers"]:
        found.append(act(layer["map"]["activation"], before(layer, found)))
    return found


def before(layer, earlier):
    """The pre-activation of a layer."""
    total = np.array(layer["map"]["bias"], float)
    for term in layer["map"]["terms"]:
        h = earlier[term["layer"]]
        if "matrix" in term:
            total = total + term["matrix"] @ h
        else:
            stage = next(stage for stage in layer["stages"] if stage["kind"] == "linear")
            total = total + turned(stage, 1.0)[: layer["rows"], : len(h)] @ h
    return total


def place(program, vertex, unit, u):
    """The vertex at share `u` of a unit, in the coordinates of its space."""
    earlier = ends(program, vertex)
    layer = program["layers"][unit - 1]
    y = pad(earlier[unit - 1], layer["space"])
    for stage in layer["stages"]:
        s = (u - stage["from"]) / (stage["to"] - stage["from"])
        y = move(program, layer, stage, y, earlier, min(max(s, 0.0), 1.0))
        if u <= stage["to"]:
            break
    return y


def move(program, layer, stage, y, earlier, s):
    """One stage, from its start `y`."""
    rows, kind = layer["rows"], stage["kind"]
    if kind == "linear":
        return turned(stage, s) @ y
    if kind == "straight":
        term = layer["map"]["terms"][0]
        return (1 - s) * y + s * pad(term["matrix"] @ earlier[term["layer"]], len(y))
    if kind == "translate":
        return y + s * pad(layer["map"]["bias"], len(y))
    if kind == "activation":
        activation = layer["map"]["activation"]
        after = act(activation, y[:rows])
        if activation["name"] == "max_pool":
            return (1 - s) * y + s * pad(after, len(y))
        return (1 - s) * y + s * np.concatenate([after, y[rows:]])
    if kind == "vector_field":
        field = layer["map"]["activation"]
        if field["one_step"]:
            return y + s * velocity(field, y)
        whole = math.floor(s * field["steps"])
        for _ in range(whole):
            y = runge_kutta(field, y, 1 / field["steps"])
        return runge_kutta(field, y, s - whole / field["steps"])
    assert kind == "line"
    share = stage["from_share"] + (stage["to_share"] - stage["from_share"]) * s
    target = program["layers"][stage["of"] - 1]
    end = before(target, earlier)
    if stage["target"] == "output":
        end = act(target["map"]["activation"], end)
    return (1 - share) * pad(earlier[stage["start"]], len(y)) + share * pad(end, len(y))


def turned(stage, s):
    """q R(s angles) q^T ((1 - s) I + s p)."""
    q = np.asarray(stage["q"], float)
    size = len(q)
    rotation = np.eye(size)
    for i, angle in enumerate(stage["angles"]):
        c, d = math.cos(s * angle), math.sin(s * angle)
        rotation[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[c, -d], [d, c]]
    return q @ rotation @ q.T @ ((1 - s) * np.eye(size) + s * np.asarray(stage["p"], float))


def act(activation, z):
    """The activation on one pre-activation vector."""
    name = activation["name"]
    if name == "max_pool":
        return np.array([max(z[i] for i in window if i >= 0) for window in activation["windows"]])
    if name == "vector_field":
        if activation["one_step"]:
            return z + velocity(activation, z)
        for _ in range(activation["steps"]):
            z = runge_kutta(activation, z, 1 / activation["steps"])
        return z
    return np.array([_act(activation, float(value)) for value in z])


def _act(activation, z):
    name = activation["name"]
    if name == "affine":
        return z
    if name == "relu":
        return max(z, 0.0)
    if name == "leaky_relu":
        return z if z > 0 else activation["slope"] * z
    if name == "tanh":
        return math.tanh(z)
    if name == "sigmoid":
        return 1 / (1 + math.exp(-z))
    if name == "silu":
        return z / (1 + math.exp(-z))
    if name == "softplus":
        beta = activation["beta"]
        return z if beta * z > activation["threshold"] else math.log1p(math.exp(beta * z)) / beta
    assert name == "gelu"
    if activation["approximate"] == "tanh":
        return 0.5 * z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))
    return 0.5 * z * math.erfc(-z / math.sqrt(2))


def velocity(field, y):
    """F(y) = sum_i v_i f_i(y) / (1 + sum_i f_i(y))."""
    top, bottom = np.zeros(len(y)), 1.0
    for center, vector, width in zip(field["centers"], field["vectors"], field["widths"], strict=True):
        f = math.exp(-float(np.sum((y - center) ** 2)) / (2 * width**2))
        top, bottom = top + f * np.asarray(vector), bottom + f
    return top / bottom


def runge_kutta(field, y, step):
    """One classical step of order four."""
    a = velocity(field, y)
    b = velocity(field, y + step / 2 * a)
    c = velocity(field, y + step / 2 * b)
    d = velocity(field, y + step * c)
    return y + step / 6 * (a + 2 * b + 2 * c + d)


def pad(array, size):
    """Zeros behind the last axis, or what is beyond `size` cut off."""
    array = np.asarray(array, float)
    if array.shape[-1] >= size:
        return array[..., :size]
    return np.concatenate([array, np.zeros((*array.shape[:-1], size - array.shape[-1]))], axis=-1)


# --- building


def linear(matrix, start=0.0, end=1 / 3):
    """The stage of the polar path to a square matrix with determinant >= 0."""
    u, values, vt = np.linalg.svd(matrix)
    if np.linalg.det(u @ vt) < 0:  # only where a singular value is 0
        assert values[-1] < 1e-12
        u[:, -1] = -u[:, -1]
    q, angles = plane_rotations(u @ vt)
    return {
        "kind": "linear",
        "from": start,
        "to": end,
        "q": q,
        "angles": angles,
        "p": vt.T @ np.diag(values) @ vt,
    }


def plane_rotations(rotation):
    """q and angles with rotation = q R(angles) q^T: planes first, a fixed last coordinate where the size is odd."""
    t, z = scipy.linalg.schur(rotation, output="real")
    size = len(t)
    pairs, minus, plus, i = [], [], [], 0
    while i < size:
        if i + 1 < size and abs(t[i + 1, i]) > 1e-12:
            pairs.append((z[:, i], z[:, i + 1], math.atan2(t[i + 1, i], t[i, i])))
            i += 2
        else:
            (minus if t[i, i] < 0 else plus).append(z[:, i])
            i += 1
    assert len(minus) % 2 == 0
    alone = minus + plus
    for k in range(0, len(alone) - 1, 2):
        pairs.append((alone[k], alone[k + 1], math.pi if k < len(minus) else 0.0))
    columns = [column for a, b, _ in pairs for column in (a, b)] + ([alone[-1]] if size % 2 else [])
    return np.stack(columns, axis=1), np.array([angle for _, _, angle in pairs])


def completed(weights):
    """A square matrix with positive determinant whose first columns are tall `weights`."""
    rows, columns = weights.shape
    rest = scipy.linalg.null_space(weights.T)
    matrix = np.concatenate([weights, rest], axis=1)
    assert matrix.shape == (rows, rows)
    assert columns < rows
    if np.linalg.det(matrix) < 0:
        matrix[:, -1] *= -1
    return matrix


def third(number):
    """Start and end of a third."""
    return {"from": (number - 1) / 3, "to": 1.0 if number == 3 else number / 3}


def affine(name, earlier, weights, bias, activation, *, path="polar"):
    """A layer after layer number `earlier`, with its permutation: square, widening or narrowing."""
    weights, bias = np.array(weights, float), np.array(bias, float)
    rows, columns = weights.shape
    space = max(rows, columns)
    permutation = list(range(rows))
    if path == "straight":
        stage = {"kind": "straight", **third(1)}
    else:
        if rows == columns and np.linalg.det(weights) < 0:
            permutation[:2] = [1, 0]
            weights, bias = weights[permutation], bias[permutation]
        full = completed(weights) if rows > columns else np.zeros((space, space))
        if rows <= columns:
            full[:rows, :columns] = weights
        stage = linear(full)
    last = "affine" if activation is None else activation["name"]
    return {
        "name": name,
        "width": len(activation["windows"]) if last == "max_pool" else rows,
        "rows": rows,
        "space": space,
        "permutation": list(range(len(activation["windows"]))) if last == "max_pool" else permutation,
        "map": {
            "terms": [{"layer": earlier, "matrix": weights} if path == "straight" else {"layer": earlier}],
            "bias": bias,
            "activation": activation or {"name": "affine"},
        },
        "stages": [stage, {"kind": "translate", **third(2)}, {"kind": "activation", **third(3)}],
    }


def stack(layers, activations, *, path="polar"):
    """A whole network of (weights, bias) pairs; a swap of outputs is folded into the next layer."""
    found, swap = [], None
    for number, ((weights, bias), activation) in enumerate(zip(layers, activations, strict=True)):
        weights = np.array(weights, float)
        if swap is not None:
            weights = weights[:, swap]
        found.append(affine(f"layer {number + 1}", number, weights, bias, activation, path=path))
        swap = found[-1]["permutation"] if found[-1]["width"] == found[-1]["rows"] else None
    return {"kind": "layers", "input": np.shape(layers[0][0])[1], "layers": found}


def encode(value, dtype=None):
    """Arrays as the scene format writes them, in anything made of lists and dicts."""
    if isinstance(value, dict):
        return {key: encode(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(entry) for entry in value]
    if not isinstance(value, np.ndarray):
        return value
    array = np.ascontiguousarray(value, dtype or value.dtype)
    data = base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}
