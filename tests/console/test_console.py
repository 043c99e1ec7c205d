"""What people do at the console, in a real browser on the whole service."""

import base64
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.select import Select

from clients import Stack
from console import landscapes
from console.browser import Browser, browser, pretty
from console.people import Person, put_in
from deadlines import until
from pictures import photo

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CORSRuleTypeDef

HOSTILE = "<img src=x onerror=alert(1)>.jpg"
AWKWARD = ("my cat.jpg", "a+b.jpg", "R&D.jpg", "100%25.jpg", "what?.jpg", "tag#1.jpg", "\u00e9.jpg", "${filename}.jpg")
VIEWS = ("#/", "#/?status=failed", "#/collections", "#/collection/nothing", "#/image/nothing", "#/account")


def write(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def alts(page: Browser) -> list[str]:
    return [str(each.get_attribute("alt")) for each in page.all(".tile img")]


def test_files_get_ready_before_ones_eyes_and_those_that_fail_say_why(
    anna: Person, page: Browser, tmp_path: Path
) -> None:
    names = [*AWKWARD, *map(landscapes.name, range(len(AWKWARD), 17))]
    files = [write(tmp_path, name, landscapes.landscape(number)) for number, name in enumerate(names)]
    files.append(write(tmp_path, HOSTILE, landscapes.landscape(17)))
    files.append(write(tmp_path, "cut-off.jpg", landscapes.landscape(18)[:9000]))
    files.append(write(tmp_path, "letter.jpg", b"Dear Anna, this is no picture."))
    page.see(".empty", "No pictures yet")
    page.upload(*files)
    page.see(".uploads h2", "Uploads finished", within_s=60)
    page.see(".uploads header", "18 ready · 2 failed")
    rows = {row.text.split("\n")[0]: row.text for row in page.all(".uploads li")}
    assert set(rows) == {file.name for file in files}
    assert "Failed" in rows["letter.jpg"]
    assert "Save it as JPEG" in rows["letter.jpg"]
    assert "damaged or cut off" in rows["cut-off.jpg"]
    page.wait(lambda: len(alts(page)) == 18, "not all thumbs are shown")
    assert HOSTILE in alts(page)
    assert len(anna.call("GET", "images?status=ready").json()) == 18


DROP = """
const files = new DataTransfer();
const content = Uint8Array.from(atob(arguments[1]), (each) => each.charCodeAt(0));
files.items.add(new File([content], arguments[2], {type: "image/jpeg"}));
files.items.add(new File(["words"], "notes.txt", {type: "text/plain"}));
const given = {bubbles: true, cancelable: true, [arguments[0] === "paste" ? "clipboardData" : "dataTransfer"]: files};
document.body.dispatchEvent(new (arguments[0] === "paste" ? ClipboardEvent : DragEvent)(arguments[0], given));
"""


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_pictures_are_dropped_and_pasted_and_other_files_left_out(anna: Person, page: Browser, way: str) -> None:
    page.see(".empty", "No pictures yet")
    page.run(DROP, way, base64.b64encode(landscapes.landscape(0)).decode(), "harbour.jpg")
    page.see(".uploads header", "1 ready")
    page.see(".toast", "1 file left out")
    [image] = anna.call("GET", "images").json()
    assert image["s3_key"].endswith("/harbour.jpg")


def test_a_folder_is_picked_with_what_lies_below_it(anna: Person, page: Browser, tmp_path: Path) -> None:
    (tmp_path / "trip" / "day 2").mkdir(parents=True)
    write(tmp_path / "trip", "harbour.jpg", landscapes.landscape(0))
    write(tmp_path / "trip" / "day 2", "fjord.jpg", landscapes.landscape(1))
    write(tmp_path / "trip", "notes.txt", b"words")
    page.see(".empty", "No pictures yet")
    page.upload(tmp_path / "trip", by="input[webkitdirectory]")
    page.see(".uploads header", "2 ready")
    page.see(".toast", "1 file left out")
    names = {image["s3_key"].rpartition("/")[2] for image in anna.call("GET", "images").json()}
    assert names == {"harbour.jpg", "fjord.jpg"}


def test_a_phone_offers_its_camera(anna: Person, page: Browser, tmp_path: Path) -> None:
    page.see(".empty", "No pictures yet")
    page.upload(write(tmp_path, "harbour.jpg", landscapes.landscape(0)), by="input[capture=environment]")
    page.see(".uploads header", "1 ready")
    assert len(anna.call("GET", "images?status=ready").json()) == 1


def test_a_stranger_sees_what_is_shared(anna: Person, page: Browser, s3: "S3Client", stack: Stack) -> None:
    name = anna.username
    keys = put_in(anna, s3, stack["S3_BUCKET"], 2)
    anna.call("POST", "collections", name=name)
    for key in keys:
        anna.call("PUT", f"collections/{name}/images/{key}")
    anna.call("PUT", f"images/{keys[0]}", title="Harbour at dawn")
    page.open(f"#/collection/{name}")
    shared = str(page.see(".head a.button", "Public page").get_attribute("href"))
    with browser(anna.url) as stranger:
        stranger.driver.get(shared)
        stranger.see("h1", name)
        stranger.wait(
            lambda: stranger.run("return [...document.images].filter((each) => each.naturalWidth > 0).length") == 2,
            "the pictures are not shown",
        )
        stranger.click(".grid a")
        stranger.see("h1", "Harbour at dawn")
        assert anna.username not in stranger.run("return JSON.stringify([{...localStorage}, document.cookie])")
        assert stranger.complaints() == []
        stranger.open(f"#/image/{keys[0]}")
        stranger.see(".sign-in")


def test_pictures_are_uploaded_into_the_collection_that_is_shown(anna: Person, page: Browser, tmp_path: Path) -> None:
    anna.call("POST", "collections", name=anna.username)
    page.open(f"#/collection/{anna.username}")
    page.see(".empty", "Nothing in here yet")
    page.upload(write(tmp_path, "harbour.jpg", landscapes.landscape(0)))
    page.see(".uploads header", "1 ready")
    page.wait(lambda: alts(page) == ["harbour.jpg"], "it is not shown")
    assert len(anna.call("GET", f"collections/{anna.username}/images").json()) == 1


def test_pictures_are_found_by_words_and_status(anna: Person, page: Browser, s3: "S3Client", stack: Stack) -> None:
    keys = put_in(anna, s3, stack["S3_BUCKET"], 3)
    anna.call("PUT", f"images/{keys[1]}", title="Winter solstice")
    page.open("#/")
    page.wait(lambda: len(alts(page)) == 3, "three pictures are not shown")
    page.fill("[name=q]", "solstice")
    page.see("[name=q]").send_keys(Keys.ENTER)
    page.wait(lambda: alts(page) == ["Winter solstice"], "it is not found")
    page.click(".filters summary")
    Select(page.see("[name=status]")).select_by_visible_text("Failed")
    page.see(".empty", "Nothing found")
    page.click(".filters a", "Clear")
    page.wait(lambda: len(alts(page)) == 3, "three pictures are not shown again")


def test_a_change_that_somebody_else_has_made_is_shown_beside_ones_own(
    anna: Person, page: Browser, s3: "S3Client", stack: Stack
) -> None:
    [key] = put_in(anna, s3, stack["S3_BUCKET"], 1)
    page.open(f"#/image/{key}")
    page.fill("[name=title]", "Fjord")
    page.fill("[name=description]", "By boat")
    page.click(".texts .primary", "Save")
    page.see(".toast", "Saved")
    assert anna.call("GET", f"images/{key}").json()["title"] == "Fjord"
    anna.call("PUT", f"images/{key}", title="Sognefjord")
    page.fill("[name=title]", "Hardangerfjord")
    page.click(".texts .primary", "Save")
    conflict = page.see(".conflict")
    assert "Sognefjord" in conflict.text
    assert "Hardangerfjord" in conflict.text
    assert anna.call("GET", f"images/{key}").json()["title"] == "Sognefjord"
    page.click(".conflict button", "Keep mine")
    page.wait(lambda: not page.all(".conflict"), "the conflict stays")
    assert anna.call("GET", f"images/{key}").json()["title"] == "Hardangerfjord"


def test_the_page_of_an_image_tells_what_is_known_and_copies_links(
    anna: Person, page: Browser, s3: "S3Client", stack: Stack
) -> None:
    [key] = put_in(anna, s3, stack["S3_BUCKET"], 1)
    image = anna.call("GET", f"images/{key}").json()
    page.open(f"#/image/{key}")
    page.see(".frame img.over.sharp")
    facts = page.see(".facts").text
    assert "1200 \u00d7 800" in facts
    assert all(colour in facts for colour in image["colors"])
    texts = [each.get_attribute("title") for each in page.all(".links code")]
    assert image["url"] in texts
    assert f"![harbour-00.jpg]({image['url']})" in texts
    assert {thumb["url"] for thumb in image["thumbs"]} <= set(texts)
    anna.call("PUT", f"images/{key}", reprocess=True)
    page.click(".head button", "Reprocess")
    page.see(".badge.ready")


def test_an_original_that_browsers_do_not_show_is_shown_by_its_display_picture(
    anna: Person, page: Browser, s3: "S3Client", stack: Stack
) -> None:
    key = f"{secrets.token_hex(4)}/scan.tif"
    s3.put_object(Bucket=stack["S3_BUCKET"], Key=key, Body=photo(1600, 900, "TIFF"))
    anna.call("POST", "images", s3_key=key)
    until(lambda: anna.call("GET", f"images/{key}").json()["status"] == "ready", 60, "it is not ready")
    display = anna.call("GET", f"images/{key}").json()["display"]["url"]
    page.open(f"#/image/{key}")
    page.see(".frame img.over.sharp")
    assert page.run("return document.querySelector('.frame img.over').naturalWidth") == 1600
    assert page.run("return document.querySelector('.frame img.over').currentSrc") == display
    texts = [each.get_attribute("title") for each in page.all(".links code")]
    assert f"![scan.tif]({display})" in texts
    assert display in texts


def test_deleting_can_be_undone_for_some_seconds_and_then_happens(
    anna: Person, page: Browser, s3: "S3Client", stack: Stack
) -> None:
    keys = put_in(anna, s3, stack["S3_BUCKET"], 3)
    page.open()
    page.reload()
    page.wait(lambda: len(alts(page)) == 3, "three pictures are not shown")
    shown = alts(page)
    for undone in (True, False):
        ActionChains(page.driver).move_to_element(page.all(".tile")[1]).perform()
        page.all(".tile .pick")[1].click()
        page.click(".selection button", "Delete")
        page.wait(lambda: len(alts(page)) == 2, "it is still shown")
        assert len(anna.call("GET", "images").json()) == 3
        page.click(".toast button", "Undo") if undone else page.click('.toast button[aria-label="Close"]')
        page.wait(lambda: alts(page) == (shown if undone else [shown[0], shown[2]]), "the wrong pictures are shown")  # noqa: B023
    page.wait(lambda: len(anna.call("GET", "images").json()) == 2, "it was not deleted")
    assert anna.call("GET", f"images/{keys[1]}").status_code == 404


def test_the_file_of_a_picture_that_was_uploaded_here_goes_too_if_asked_for(
    anna: Person, page: Browser, s3: "S3Client", stack: Stack, tmp_path: Path
) -> None:
    page.open()
    names = ("stays", "goes")
    page.upload(*(write(tmp_path, f"{name}.jpg", landscapes.landscape(number)) for number, name in enumerate(names)))
    page.see(".uploads header", "2 ready")
    by_name = {image["s3_key"].rpartition("/")[2]: image for image in anna.call("GET", "images").json()}
    for name in names:
        page.open(f"#/image/{by_name[f'{name}.jpg']['s3_key']}")
        page.click(".head button", "Delete")
        page.see("dialog h2", "Delete 1 picture?")
        assert (found := page.violations()) == [], pretty(found)
        if name == "goes":
            page.click("dialog [name=files]")
        page.click("dialog .danger")
        page.see(".toast", "Deleted 1 picture")
        page.click('.toast button[aria-label="Close"]')
    page.wait(lambda: anna.call("GET", "images").json() == [], "they were not deleted")

    def files() -> list[str]:
        listed = [s3.list_objects_v2(Bucket=stack["S3_BUCKET"], Prefix=image["s3_key"]) for image in by_name.values()]
        return [item["Key"] for page in listed for item in page.get("Contents", [])]

    until(lambda: files() == [by_name["stays.jpg"]["s3_key"]], 20, "the file of one of them is gone")


def test_a_collection_is_made_filled_arranged_covered_and_renamed(
    anna: Person, page: Browser, s3: "S3Client", stack: Stack
) -> None:
    keys = put_in(anna, s3, stack["S3_BUCKET"], 4)
    name = anna.username
    page.open("#/collections")
    page.click(".head button", "New collection")
    page.fill("dialog [name=name]", name)
    page.click("dialog .primary")
    page.see("h1", name)
    page.open("#/")
    page.wait(lambda: len(alts(page)) == 4, "four pictures are not shown")
    page.see(".grid").send_keys(Keys.ARROW_RIGHT)
    ActionChains(page.driver).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).perform()
    page.see(".selection", "4 pictures selected")
    page.click(".selection button", "Add to collection")
    page.see("dialog select")
    page.click("dialog .primary")
    page.see(".toast", "Added 4 pictures")

    def members() -> list[str]:
        return [each["s3_key"] for each in anna.call("GET", f"collections/{name}/images").json()]

    page.wait(lambda: len(members()) == 4, "they were not all added")
    before = members()
    assert sorted(before) == sorted(keys)
    page.open(f"#/collection/{name}")
    page.wait(lambda: len(alts(page)) == 4, "four members are not shown")
    page.click(".head button", "Arrange")
    tiles = page.all(".tile")
    ActionChains(page.driver).click_and_hold(tiles[0]).move_to_element(tiles[2]).move_by_offset(
        40, 0
    ).release().perform()
    page.wait(lambda: members() == [before[1], before[2], before[0], before[3]], "it was not moved by dragging")
    page.click(".head button", "Arrange")
    page.all(".tile .pick")[0].click()
    page.click(".selection button", "Move later")
    page.wait(lambda: members() == [before[2], before[1], before[0], before[3]], "it was not moved by the button")
    page.click(".selection button", "Use as cover")
    page.see(".toast", "cover")
    page.click(".head button", "Edit")
    page.fill("dialog [name=title]", "My holidays")
    page.fill("dialog [name=name]", f"{name}-new")
    page.click("dialog .primary")
    page.see("h1", "My holidays")
    changed = anna.call("GET", f"collections/{name}-new").json()
    assert (changed["title"], changed["cover"]) == ("My holidays", before[1])
    page.click(".head button", "Delete")
    page.click("dialog .danger")
    page.see(".toast", "Deleted")
    assert anna.call("GET", "collections").json() == []
    assert len(anna.call("GET", "images").json()) == 4


def test_keys_take_the_password_and_show_their_secret_once(anna: Person, page: Browser) -> None:
    page.open("#/keys")
    page.fill("form.again [name=password]", "wrong password")
    page.click("form.again button")
    page.see(".fault", "The password is wrong")
    page.fill("form.again [name=password]", anna.password)
    page.click("form.again button")
    page.see(".key", "this tab")
    page.click(".head button", "New key")
    page.fill("dialog [name=description]", "backup")
    page.click("dialog .primary")
    secret = page.see(".secret code").text
    by_key = Person(anna.url, "key", secret)
    assert by_key.call("GET", "images").status_code == 200
    assert by_key.call("POST", "collections", name="x").status_code == 403
    page.click("dialog .primary", "I have it")
    page.wait(lambda: secret not in page.text(), "the secret is still shown")
    page.click('.key[aria-label="backup"] .danger')
    page.click("dialog .danger")
    page.see(".toast", "Revoked")
    assert by_key.call("GET", "images").status_code == 401


def test_signing_out_revokes_the_key_and_forgets_it(anna: Person, page: Browser) -> None:
    kept = page.run("return JSON.parse(sessionStorage.getItem('imghost.session'))")
    key = Person(anna.url, "key", kept["key"])
    assert key.call("GET", "images").status_code == 200
    assert anna.password not in page.run(
        "return JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])"
    )
    page.reload()
    page.click(".menu summary")
    page.click(".menu button", "Sign out")
    page.see(".sign-in")
    assert key.call("GET", "images").status_code == 401
    assert page.run("return sessionStorage.length") == 0


def test_a_key_that_was_revoked_elsewhere_leads_to_the_form(anna: Person, page: Browser) -> None:
    [own] = anna.call("GET", "api-keys").json()
    assert own["scopes"] == ["read", "write", "upload"]
    assert own["expires_at"] is not None
    anna.call("DELETE", f"api-keys/{own['id']}")
    page.open("#/collections")
    page.see(".sign-in .fault", "your session has ended")


def test_a_wrong_password_is_told_and_the_browser_asks_for_none(page: Browser) -> None:
    page.open()
    page.run("sessionStorage.clear()")
    page.reload()
    page.fill("[name=username]", "nobody")
    page.fill("[name=password]", "wrong password")
    page.click("button[type=submit]")
    page.see(".fault", "Username or password is wrong")


@pytest.mark.usefixtures("anna")
def test_a_browser_that_may_not_upload_says_that_it_is_cors(
    page: Browser, s3: "S3Client", stack: Stack, tmp_path: Path
) -> None:
    bucket = stack["S3_BUCKET"]
    rules = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    elsewhere: CORSRuleTypeDef = {"AllowedOrigins": ["https://elsewhere.example"], "AllowedMethods": ["GET", "POST"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [elsewhere]})
    file = write(tmp_path, "harbour.jpg", landscapes.landscape(0))
    try:
        page.upload(file)
        page.see(".uploads li", "CORS")
    finally:
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    assert any("CORS policy" in each for each in page.complaints())
    page.click('.uploads [title="Upload again"]')
    page.see(".uploads li", "Ready")


@pytest.mark.usefixtures("anna")
def test_an_upload_goes_on_when_the_connection_is_back(page: Browser, tmp_path: Path) -> None:
    file = write(tmp_path, "harbour.jpg", landscapes.landscape(0))
    conditions = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)
    try:
        page.upload(file)
        page.see(".uploads li", "connection")
    finally:
        page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions | {"offline": False})
    page.see(".uploads li", "Ready", within_s=40)
    assert all("ERR_INTERNET_DISCONNECTED" in each for each in page.complaints())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_that_keeps_people_from_using_it(
    page: Browser, anna: Person, s3: "S3Client", stack: Stack, theme: str, tmp_path: Path
) -> None:
    page.theme(theme)
    [key, *_] = put_in(anna, s3, stack["S3_BUCKET"], 3)
    anna.call("POST", "collections", name=f"c-{anna.username}")
    anna.call("PUT", f"collections/c-{anna.username}/images/{key}")
    page.upload(write(tmp_path, "letter.jpg", b"no picture"))
    page.see(".uploads li", "Failed")
    found = {}
    for view in (*VIEWS, f"#/collection/c-{anna.username}", f"#/image/{key}", "#/keys"):
        page.open(view)
        page.wait(lambda: not page.all(".loading"), "it is still loading")
        found[view] = page.violations()
    page.fill("form.again [name=password]", anna.password)
    page.click("form.again button")
    page.see(".key")
    found["keys"] = page.violations()
    page.click(".head button", "New key")
    found["dialog"] = page.violations()
    page.click("dialog button", "Cancel")
    page.open("#/")
    page.see(".tile img.sharp")
    page.all(".tile .pick")[0].click()
    found["selection"] = page.violations()
    page.click(".menu summary")
    page.click(".menu button", "Sign out")
    page.see(".sign-in")
    found["sign in"] = page.violations()
    page.theme("light")
    faults = [f"{view}: {fault}" for view, of_view in found.items() for fault in of_view]
    assert faults == [], pretty(faults)
