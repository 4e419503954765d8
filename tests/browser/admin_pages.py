"""Actions and checks that are the same on every page of the admin."""

import pytest

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'"
STYLED = "element => getComputedStyle(element.closest('.jwt-auth-answers, .jwt-auth-links')).display === 'flex'"

SUBMIT = ".jwt-auth-answers input[type=submit]"

SIZES = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
SCREENS = [
    pytest.param((scheme, size), id=f"{scheme}-{size}", marks=marks)
    for scheme, size, marks in (
        ("light", "wide", ()),
        ("light", "phone", pytest.mark.thorough),
        ("dark", "wide", pytest.mark.thorough),
        ("dark", "phone", ()),
    )
]


# The contrast between an element's text and its background, as WCAG 2 defines it.
CONTRAST = """element => {
    const light = colour => {
        const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map(value => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    let behind = element;
    while (/^rgba\\(.*, 0\\)$/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
    const [a, b] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(light);
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""

# The same of many elements at once: each question to the browser takes longer than its answer.
CONTRASTS = f"elements => elements.map(element => [({CONTRAST})(element), element.outerHTML])"


# The contrast between the ring around a focused element and what is around it.
RING = CONTRAST.replace("element).color", "element).outlineColor").replace(
    "behind = element;", "behind = element.parentElement;"
)

# Tables of this app that would have to be scrolled to see all of their cells.
CUT_OFF = """[...document.querySelectorAll(".app-jwt_auth .results, .jwt-auth-scroll")]
    .filter(table => table.scrollWidth > table.clientWidth + 1).length"""


def check_fit(page, name, look, elements):
    """
    Assert that the page fits the screen, with all cells of its tables, and that `elements` have the contrast of WCAG 2.

    Return the number of the elements.
    """
    look(page, name)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
    assert page.evaluate(CUT_OFF) == 0, name
    seen = page.locator(elements).evaluate_all(CONTRASTS)
    faint = [html for contrast, html in seen if not contrast >= 4.5]  # also where there is no number
    assert not faint, (name, faint)
    return len(seen)


def follow(page, selector):
    """Click an element that leads to another page, and wait for that page: reading at once may read the former one."""
    with page.expect_navigation():
        page.click(selector)


def confirm(page, **fields):
    """Answer the question with yes."""
    for name, value in fields.items():
        page.fill(f"input[name={name}]", value)
    follow(page, SUBMIT)


def said(page):
    return page.inner_text(".messagelist")
