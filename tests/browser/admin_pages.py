"""Actions and checks that are the same on every page of the admin."""

import pytest

from tests.browser.actions import follow

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'"
STYLED = "element => getComputedStyle(element.closest('.jwt-auth-answers, .jwt-auth-links')).display === 'flex'"

SUBMIT = ".jwt-auth-answers input[type=submit]"

SIZES = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
# Each differs from the next in one thing, and the last from the first.
FORMS = [("light", "wide"), ("dark", "wide"), ("dark", "phone"), ("light", "phone")]

# The forms in which pages are loaded: on each page `check_fit` then looks at all forms.
SCREENS = [
    pytest.param(form, id="-".join(form), marks=() if form == ("dark", "phone") else pytest.mark.thorough)
    for form in FORMS
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

# The contrast between the ring around a focused element and what is around it.
RING = CONTRAST.replace("element).color", "element).outlineColor").replace(
    "behind = element;", "behind = element.parentElement;"
)

# All that is asked of a page in one form, at once: each question to the browser takes longer than its answer.
# "cut off" counts tables of this app that would have to be scrolled to see all of their cells. A colour that is on its
# way to the next scheme arrives. "faint" includes elements whose contrast is no number.
FACTS = f"""elements => {{
    document.getAnimations().forEach(each => each.finish());
    const tables = document.querySelectorAll(".app-jwt_auth .results, .jwt-auth-scroll");
    return {{
        form: [matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light", innerWidth],
        fits: document.documentElement.scrollWidth <= innerWidth,
        "cut off": [...tables].filter(table => table.scrollWidth > table.clientWidth + 1).length,
        number: elements.length,
        faint: elements.filter(element => !(({CONTRAST})(element) >= 4.5)).map(element => element.outerHTML),
    }};
}}"""


def check_fit(page, name, look, elements):
    """
    Assert that the page fits the screen, with all cells of its tables, and that `elements` have the contrast of WCAG 2.

    This is asserted in each form. Return the number of the elements.
    """
    scheme, width = page.evaluate(FACTS, [])["form"]
    own = next(number for number, form in enumerate(FORMS) if (form[0], SIZES[form[1]]["width"]) == (scheme, width))
    for number in range(own, own + len(FORMS)):
        scheme, size = FORMS[number % len(FORMS)]
        take_form(page, scheme, size)
        look(page, f"{name}-{scheme}-{size}")
        facts = page.locator(elements).evaluate_all(FACTS)
        seen = facts.pop("number")
        expected = {"form": [scheme, SIZES[size]["width"]], "fits": True, "cut off": 0, "faint": []}
        assert facts == expected, name
    take_form(page, *FORMS[own])
    return seen


def take_form(page, scheme, size):
    """Change the screen while the page is open."""
    page.emulate_media(color_scheme=scheme)
    if page.viewport_size != SIZES[size]:
        page.set_viewport_size(SIZES[size])


def confirm(page, **fields):
    """Answer the question with yes."""
    for name, value in fields.items():
        page.fill(f"input[name={name}]", value)
    follow(page, SUBMIT)


def said(page):
    return page.inner_text(".messagelist")
