"""The built pages, read as files."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

from vaebook.references import Bibliography

Pages = dict[str, BeautifulSoup]


def ids(soup: BeautifulSoup) -> list[str]:
    return [str(tag["id"]) for tag in soup.find_all(id=True)]


def test_internal_links_and_anchors_resolve(html: Path, pages: Pages) -> None:
    anchors = {path: set(ids(soup)) for path, soup in pages.items()}
    broken = []
    for path, soup in pages.items():
        for link in soup.find_all("a", href=True):
            target = urlsplit(str(link["href"]))
            if target.scheme or target.netloc:
                continue
            file = (html / path).parent / unquote(target.path) if target.path else html / path
            known = file.resolve().relative_to(html.resolve()).as_posix()
            if not file.exists():
                broken.append(f"{path}: {link['href']}")
            elif target.fragment and known in anchors and unquote(target.fragment) not in anchors[known]:
                broken.append(f"{path}: {link['href']} (no such anchor)")
    assert broken == []


def test_ids_are_unique(pages: Pages) -> None:
    for path, soup in pages.items():
        assert [name for name, count in Counter(ids(soup)).items() if count > 1] == [], path


def test_every_image_says_what_it_shows(pages: Pages) -> None:
    seen: dict[str, str] = {}
    for path, soup in pages.items():
        for image in soup.select("article img"):
            words = str(image.get("alt", "")).strip()
            where = f"{path}: {image['src']}"
            assert len(words.split()) >= 4, f"{where}: {words!r}"
            assert not re.search(r"\.(png|svg|jpe?g)\b", words), where
            assert words not in seen, f"{where} has the words of {seen[words]}"
            seen[words] = where


def test_pages_load_nothing_from_elsewhere(pages: Pages) -> None:
    for path, soup in pages.items():
        loaded = [tag.get("src") for tag in soup.find_all(src=True)]
        loaded += [tag.get("href") for tag in soup.find_all("link") if "canonical" not in tag.get("rel", [])]
        assert [url for url in loaded if urlsplit(str(url)).netloc] == [], path


def test_every_page_has_a_language_a_title_and_one_main_heading(pages: Pages) -> None:
    for path, soup in pages.items():
        assert soup.html is not None and soup.html["lang"] == "en", path
        assert soup.title is not None and soup.title.get_text(strip=True), path
        assert len(soup.select("article h1")) == 1, path


def test_every_work_of_the_bibliography_is_cited(root: Path) -> None:
    text = "\n".join(page.read_text("utf8") for page in root.glob("book/*.md"))
    entries = Bibliography.read(root / "book/references.bib").entries.entries
    assert [key for key in entries if f"(#{key})" not in text] == []


def test_a_chapter_offers_its_notebook(html: Path, root: Path, pages: Pages) -> None:
    for notebook in root.glob("book/*.ipynb"):
        copied = html / "_sources/book" / notebook.name
        assert copied.read_bytes() == notebook.read_bytes()
        links = [str(a["href"]) for a in pages[f"book/{notebook.stem}.html"].find_all("a", href=True)]
        assert f"../_sources/book/{notebook.name}" in links


def test_one_file_holds_the_whole_book(html: Path, pages: Pages) -> None:
    with zipfile.ZipFile(html / "vae-book.zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    assert {f"vae-book/{path}" for path in pages} <= set(names)
    assert not [name for name in names if name.endswith((".zip", ".part"))]
    assert any(str(link["href"]) == "../vae-book.zip" for link in pages["book/about.html"].find_all("a", href=True))
