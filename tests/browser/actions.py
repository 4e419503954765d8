"""Actions of a person on any page."""


def activate(element):
    """
    Press Enter on a button, link or field that can be clicked.

    A click is lost if the page moves between the press of the mouse button and its release, as when a list arrives.
    """
    element.click(trial=True)  # it is visible, and nothing covers it
    element.press("Enter")


def follow(page, selector):
    """Go to the page to which an element leads, and wait for it: reading at once may read the former page."""
    with page.expect_navigation():
        activate(page.locator(selector).first)
