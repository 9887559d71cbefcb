"""Draw images that look alike and are different.

Pages, invoices, forms, receipts, QR codes, sheet music, star fields, screens, products, charts. All of one kind share their
layout, and each has content of its own. Seeded, of any number.

    python -m bench.lookalikes FOLDER [--count 20] [--seed 1]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

Rng = np.random.Generator
Draw = Callable[[Rng, Rng], Image.Image]
"""draw(layout, content): the first is the same for all pictures of a kind."""

LETTERS = list("abcdefghijklmnopqrstuvwxyz")


def font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def word(rng: Rng) -> str:
    return "".join(rng.choice(LETTERS, int(rng.integers(2, 10))))


def words(rng: Rng, count: int) -> str:
    return " ".join(word(rng) for _ in range(count))


def money(rng: Rng, most: int) -> str:
    return f"{rng.integers(100, most) / 100:.2f}"


def paper(width: int = 1000, height: int = 1414) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (width, height), "white")
    return image, ImageDraw.Draw(image)


def page(layout: Rng, content: Rng) -> Image.Image:
    """Draw a page of a book: running head, paragraphs."""
    image, draw = paper()
    size = int(layout.integers(18, 24))
    draw.text((100, 60), words(layout, 5), fill=(60, 60, 60), font=font(18))
    y = 130
    while y < 1320:
        for _ in range(int(content.integers(3, 9))):
            draw.text((100, y), words(content, 14)[: int(1600 / size)], fill=(20, 20, 20), font=font(size))
            y += round(size * 1.5)
        y += size
    return image


def invoice(layout: Rng, content: Rng) -> Image.Image:
    image, draw = paper()
    draw.rectangle([0, 0, 1000, 120], fill=tuple(map(int, layout.integers(0, 160, 3))))
    draw.text((60, 40), words(layout, 2).title(), fill="white", font=font(40))
    draw.text((60, 180), f"Invoice {content.integers(10000, 99999)}", fill="black", font=font(38))
    draw.text((640, 190), f"Date {content.integers(1, 28)}.{content.integers(1, 12)}.2024", fill="black", font=font(22))
    draw.line([60, 300, 940, 300], fill="black", width=2)
    for row in range(int(content.integers(4, 8))):
        y = 330 + 55 * row
        draw.text((60, y), f"{content.integers(1, 20)} x {words(content, 2)}", fill="black", font=font(22))
        draw.text((760, y), f"{money(content, 99999)} EUR", fill="black", font=font(22))
    draw.line([60, 800, 940, 800], fill="black", width=2)
    draw.text((60, 830), f"Total {money(content, 999999)} EUR", fill="black", font=font(38))
    for row in range(4):
        draw.text((60, 1260 + 26 * row), words(layout, 9), fill=(90, 90, 90), font=font(16))
    return image


def form(layout: Rng, content: Rng) -> Image.Image:
    """Draw a printed form with typed fields: most of the ink is the same."""
    image, draw = paper()
    draw.text((80, 50), words(layout, 4).title(), fill="black", font=font(34))
    for row in range(14):
        y = 140 + 80 * row
        for x, wide in ((80, 400), (520, 400)):
            draw.text((x, y), words(layout, 3), fill=(40, 40, 40), font=font(15))
            draw.rectangle([x, y + 20, x + wide, y + 60], outline="black", width=2)
            draw.text((x + 8, y + 26), words(content, 3)[:28], fill=(10, 10, 120), font=font(24))
    return image


def receipt(layout: Rng, content: Rng) -> Image.Image:
    image, draw = paper(420, 1000)
    draw.text((90, 20), words(layout, 2).upper(), fill="black", font=font(30))
    draw.text((90, 70), words(layout, 3), fill="black", font=font(16))
    for row in range(int(content.integers(8, 16))):
        draw.text((24, 130 + 34 * row), word(content), fill="black", font=font(20))
        draw.text((300, 130 + 34 * row), money(content, 5000), fill="black", font=font(20))
    draw.text((24, 720), f"TOTAL  {money(content, 50000)}", fill="black", font=font(30))
    for x in range(24, 396, 4):
        draw.line([x, 800, x, 880], fill="black", width=int(content.integers(1, 4)))
    draw.text((60, 920), words(layout, 4), fill="black", font=font(16))
    return image


def qr_code(layout: Rng, content: Rng) -> Image.Image:
    del layout
    code = cv2.QRCodeEncoder.create().encode("https://example.org/" + "".join(content.choice(LETTERS, 30)))
    return Image.fromarray(cv2.resize(code, (600, 600), interpolation=cv2.INTER_NEAREST)).convert("RGB")


def ticket(layout: Rng, content: Rng) -> Image.Image:
    """Draw a ticket with one QR code of its own."""
    image, draw = paper(900, 500)
    draw.rectangle([0, 0, 900, 90], fill=tuple(map(int, layout.integers(0, 160, 3))))
    draw.text((40, 20), words(layout, 3).title(), fill="white", font=font(40))
    image.paste(qr_code(layout, content).resize((340, 340)), (520, 130))
    for row, label in enumerate(("Name", "Seat", "Gate", "Date")):
        draw.text((40, 140 + 80 * row), label, fill=(110, 110, 110), font=font(20))
        draw.text((40, 165 + 80 * row), words(content, 2).title(), fill="black", font=font(32))
    return image


def music(layout: Rng, content: Rng) -> Image.Image:
    del layout
    image, draw = paper(1000, 1414)
    for top in range(110, 1300, 140):
        for line in range(5):
            draw.line([60, top + 13 * line, 940, top + 13 * line], fill=0, width=2)
        for x in range(100, 930, int(content.integers(28, 44))):
            y = top + round(6.5 * int(content.integers(-1, 9)))
            draw.ellipse([x, y - 6, x + 15, y + 6], fill=0)
            draw.line([x + 14, y, x + 14, y - 42], fill=0, width=3)
    return image


def stars(layout: Rng, content: Rng) -> Image.Image:
    del layout
    sky = np.full((480, 640, 3), (6, 8, 18), np.float32)
    for _ in range(int(content.integers(300, 700))):
        x, y, size = *content.integers(2, (638, 478)), content.integers(1, 3)
        sky[y - size : y, x - size : x] = content.uniform(60, 255)
    return Image.fromarray(np.clip(sky + content.normal(0, 2, sky.shape), 0, 255).astype(np.uint8))


def screen(layout: Rng, content: Rng) -> Image.Image:
    """Draw a program's window: the same frame, menus and icons; another list and another text in it."""
    image = Image.new("RGB", (1280, 800), tuple(map(int, layout.integers(225, 245, 3))))
    draw = ImageDraw.Draw(image)
    draw.rectangle([0, 0, 1280, 60], fill=tuple(map(int, layout.integers(30, 90, 3))))
    draw.rectangle([0, 60, 260, 800], fill=tuple(map(int, layout.integers(190, 225, 3))))
    for k in range(8):
        colour = tuple(map(int, layout.integers(90, 255, 3)))
        draw.rounded_rectangle([20 + 60 * k, 12, 56 + 60 * k, 48], 8, fill=colour)
    for row in range(18):
        draw.text((20, 84 + 38 * row), words(content, 2)[:22], fill=(40, 40, 40), font=font(19))
    for row in range(22):
        draw.text(
            (300, 90 + 31 * row), words(content, 11)[: int(content.integers(20, 84))], fill=(30, 30, 30), font=font(19)
        )
    return image


def product(layout: Rng, content: Rng) -> Image.Image:
    """Things on one textured table in one light."""
    small = layout.uniform(90, 200, (60, 80)).astype(np.float32)
    table = cv2.resize(small, (800, 600), interpolation=cv2.INTER_CUBIC)[..., None] * [1.0, 0.9, 0.75]
    image = Image.fromarray(np.clip(table + layout.normal(0, 3, (600, 800, 1)), 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    x, y = (int(v) for v in content.integers((300, 220), (500, 380)))
    wide, high = (int(v) for v in content.integers(150, 260, 2))
    colour, other = (tuple(map(int, content.integers(20, 235, 3))) for _ in range(2))
    if content.random() < 0.5:
        draw.rounded_rectangle([x - wide, y - high, x + wide, y + high], 30, fill=colour)
    else:
        draw.ellipse([x - wide, y - high, x + wide, y + high], fill=colour)
    draw.rectangle([x - wide // 2, y - high // 3, x + wide // 2, y + high // 3], fill=other)
    draw.text((x - wide // 2 + 8, y - 20), word(content).upper(), fill="white", font=font(44))
    return image


def chart(layout: Rng, content: Rng) -> Image.Image:
    image, draw = paper(900, 600)
    draw.text((250, 20), words(layout, 4).title(), fill="black", font=font(28))
    draw.line([80, 80, 80, 540, 860, 540], fill="black", width=3)
    for k in range(1, 6):
        draw.line([80, 540 - 80 * k, 860, 540 - 80 * k], fill=(215, 215, 215), width=1)
        draw.text((30, 530 - 80 * k), str(20 * k), fill="black", font=font(18))
    colour = tuple(map(int, layout.integers(0, 180, 3)))
    for k in range(12):
        draw.rectangle([100 + 62 * k, 540 - int(content.integers(10, 440)), 145 + 62 * k, 540], fill=colour)
    return image


KINDS: dict[str, Draw] = {
    "page": page, "invoice": invoice, "form": form, "receipt": receipt, "qr": qr_code, "ticket": ticket, "music": music,
    "stars": stars, "screen": screen, "product": product, "chart": chart,
}  # fmt: skip


def draw_kind(kind: str, count: int, seed: int) -> list[Image.Image]:
    """`count` different pictures of one kind."""
    return [KINDS[kind](np.random.default_rng(seed), np.random.default_rng((seed, k))) for k in range(count)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=20, help="pictures of each kind")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        for k, image in enumerate(draw_kind(kind, options.count, options.seed)):
            image.save(options.folder / f"{kind}_{k:03}.jpg", quality=88)


if __name__ == "__main__":
    main()
