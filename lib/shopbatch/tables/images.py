"""Declares the tables about product pictures.

- `product_images`: the pictures, filled by `shopbatch load images` or `shopbatch sample --source boutique`
- `image_vectors`: a vector per picture, from `embed_images`
- `product_image_labels`: the type of product that a picture shows, compared with the catalogue, from `classify_images`
- `similar_images`: pictures that look alike, from `find_similar_images`
"""

import pyarrow as pa

from shopbatch.tables.published import VECTOR, provenance, rejects_of
from shopbatch.tables.schema import TEXT_LIST, Column, Nobody, Table, View

_GOODS = Nobody("Pictures of goods, as the catalogue shows them; pictures that customers send are not loaded.")
_IMAGE = Column("image_id", pa.string(), "The picture (product_images.image_id).", nullable=False, personal=True)
_PRODUCT = Column("product_id", pa.string(), "The product that it shows (products.product_id); null where unknown.")
_SHA256 = Column("sha256", pa.string(), "SHA-256 of the file, 64 hex digits.", nullable=False)
_PERCEPTUAL = Column(
    "perceptual_hash", pa.string(), "Difference hash of 16 x 16 grey values, 64 hex digits.", nullable=False
)

PRODUCT_IMAGES = Table(
    name="product_images",
    sample="boutique",
    meaning="One row per picture of a product. `shopbatch load images FOLDER` makes it what the folder holds.",
    key=("image_id",),
    person=_GOODS,
    columns=(
        Column(
            "image_id",
            pa.string(),
            "Name of the picture: its file in the folder, and #product where several products share the file.",
            nullable=False,
            personal=True,
        ),
        _PRODUCT,
        Column("uri", pa.string(), "The file, relative to the folder that was loaded.", nullable=False, personal=True),
        _SHA256,
        _PERCEPTUAL,
        Column("signature", pa.binary(), "The picture as 8 x 8 RGB values, 192 bytes.", nullable=False, personal=True),
        Column("width", pa.int32(), "Pixels of the file, upright.", nullable=False),
        Column("height", pa.int32(), "Pixels of the file, upright.", nullable=False),
        Column("format", pa.string(), "Of the file: JPEG, PNG, GIF, WEBP or BMP.", nullable=False),
        Column("bytes", pa.int64(), "Size of the file.", nullable=False),
        Column(
            "picture",
            pa.binary(),
            "The picture itself, upright, RGB on white, at most 256 pixels a side: a JPEG, or a PNG if it is small.",
            nullable=False,
            personal=True,
        ),
        Column("source", pa.string(), "Where it came from: a sample's name, or folder.", personal=True),
    ),
    loaded_from="FOLDER",
    view=View(("product_id", "width", "height", "format")),
)

IMAGE_VECTORS = Table(
    name="image_vectors",
    meaning="One row per picture: its vector. Published by embed_images.",
    key=("image_id",),
    person=_GOODS,
    columns=(
        _IMAGE,
        _PRODUCT,
        _SHA256,
        *VECTOR,
        *provenance("the picture", "the vector (model, engine, ...)", "it was computed"),
    ),
    job="embed_images",
    view=View(("product_id", "sha256")),
)
IMAGE_VECTORS_REJECTS = rejects_of(
    IMAGE_VECTORS,
    "One row per picture without a vector, with its reason. Published by embed_images.",
    "no_key, duplicate_key, empty, engine_error, invalid_output",
)

FINDINGS = ("agrees", "contradicts", "unsure", "no_category")

PRODUCT_IMAGE_LABELS = Table(
    name="product_image_labels",
    meaning="One row per picture: what it shows, and whether the catalogue says the same. Published by "
    "classify_images.",
    key=("image_id",),
    person=_GOODS,
    columns=(
        _IMAGE,
        _PRODUCT,
        Column("label", pa.string(), "What it shows; null where the classifier is not sure enough to say."),
        Column("probability", pa.float32(), "Calibrated probability of the most probable class.", nullable=False),
        Column("catalogue", pa.string(), "What the catalogue calls the product; null where it says nothing."),
        Column(
            "p_catalogue",
            pa.float32(),
            "Probability of the catalogue's class; null where the classifier does not know that class.",
        ),
        Column(
            "finding",
            pa.string(),
            "agrees; contradicts: the picture shows another class, and that of the catalogue is improbable; unsure; "
            "no_category: the catalogue names none that the classifier knows.",
            nullable=False,
            one_of=FINDINGS,
        ),
        Column("model", pa.string(), "The classifier, name@digest.", nullable=False, machinery=True),
        Column("run_id", pa.string(), "The run that wrote it.", nullable=False, machinery=True),
    ),
    job="classify_images",
    view=View(("product_id", "label", "catalogue", "finding", "probability")),
)

SIMILAR = pa.struct([("image_id", pa.string()), ("product_id", pa.string()), ("score", pa.float32())])

SIMILAR_IMAGES = Table(
    name="similar_images",
    meaning="One row per picture: its duplicates, and the pictures of other products that look most like it. Published "
    "by find_similar_images.",
    key=("image_id",),
    person=_GOODS,
    columns=(
        _IMAGE,
        _PRODUCT,
        Column(
            "copy_of",
            pa.string(),
            "The first picture that is the same file or looks the same; itself where it is the first.",
            nullable=False,
            personal=True,
        ),
        Column(
            "same",
            pa.string(),
            "file: the file of `copy_of`; looks: another file that looks the same; first: it is the first of several; "
            "null: it has no duplicate.",
            one_of=("file", "looks", "first"),
        ),
        Column("copies", pa.int32(), "Pictures that look the same, itself included.", nullable=False),
        Column(
            "products",
            TEXT_LIST,
            "Other products that the same picture is shown for, in order; at most 100.",
            nullable=False,
        ),
        Column(
            "similar",
            pa.list_(SIMILAR),
            "Pictures of other products, most similar first, no duplicates. score: cosine, at most 1.",
            nullable=False,
            personal=True,
        ),
        Column("run_id", pa.string(), "The run that wrote it.", nullable=False, machinery=True),
    ),
    job="find_similar_images",
    view=View(("product_id", "same", "copies", "copy_of")),
)
