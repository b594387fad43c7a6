"""What forms and results in the console say: texts by the names their scripts know.

In braces stand names of values that the script fills in.
"""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import pgettext


def forms_texts() -> dict[str, str]:
    """Give those of forms that are made from a schema."""
    return _labels() | _limits() | _formats() | _reasons()


def _labels() -> dict[str, str]:
    return {
        "required": _("required"),
        "deprecated": _("Deprecated: better not used any more."),
        "choose": _("Choose…"),
        "not_given": _("not given"),
        "empty_text": _("empty text"),
        "yes": _("yes"),
        "no": _("no"),
        "add_one": _("Add {label}"),
        "add_item": _("Add an item"),
        "add_member": _("Add a member"),
        "remove": _("Remove"),
        "remove_one": _("Remove {label}"),
        "item": _("Item {number}"),
        "member_name": _("Name"),
        "member_value": _("Value"),
        "no_members": _("Nothing has to be filled in."),
        "which": _("Kind of {label}"),
        "type_string": _("Text"),
        "type_number": _("Number"),
        "type_integer": _("Whole number"),
        "type_boolean": _("Yes or no"),
        "type_object": _("Object"),
        "type_array": _("List"),
        "type_null": "null",
        "type_any": _("Any value"),
        "any_value": _("Any JSON: a text stands in double quotes."),
        "json_label": _("JSON"),
        "as_json": _("Edit as JSON"),
        "as_form": _("Back to the form"),
        "errors_title": _("Something is not right yet:"),
    }


def _limits() -> dict[str, str]:
    return {
        "missing": _("This is needed."),
        "not_allowed": _("This is not allowed here."),
        "wrong_type": _("This has to be of type {type}."),
        "wrong_const": _("This has to be {value}."),
        "wrong_choice": _("This is none of the values to choose from."),
        "repeated": _("No item may be there twice."),
        "hint_range": _("From {minimum} to {maximum}."),
        "too_small": _("At least {limit}."),
        "too_large": _("At most {limit}."),
        "not_more": _("More than {limit}."),
        "not_less": _("Less than {limit}."),
        "no_multiple": _("A multiple of {limit}."),
        "too_few_letters": _("Characters: at least {limit}."),
        "too_many_letters": _("Characters: at most {limit}."),
        "too_few_items": _("Items: at least {limit}."),
        "too_many_items": _("Items: at most {limit}."),
        "too_few_members": _("Members: at least {limit}."),
        "too_many_members": _("Members: at most {limit}."),
        "no_match": _("It has to match the pattern {pattern}"),
        "nothing_such": _("No item is such as one has to be."),
        "goes_with": _("Where {name} is, {other} has to be."),
        "wrong_name": _("The name {name} is not allowed."),
        "unknown_member": _("There is no member {name} here."),
        "no_alternative": _("This is none of the kinds that are allowed."),
        "several_alternatives": _("This is of several kinds at once; one is allowed."),
        "name_twice": _("The name {name} is there already."),
        "no_name": _("Each member needs a name."),
    }


def _formats() -> dict[str, str]:
    return {
        "no_number": _("“{text}” is no number; write it such as 12 or 1.5"),
        "inexact": _("{number} has more digits than a browser can keep."),
        "half_written": _("This is not written to its end yet."),
        "no_json": _("This is no JSON: {reason}"),
        "no_email": _("An email address, such as ada@example.org"),
        "no_uri": _("An address with its scheme, such as https://example.org"),
        "no_url": _("An address with its scheme, such as https://example.org"),
        "no_uuid": _("A UUID, such as 0b0e6f1c-6b0c-4f6e-9d3a-2f5c1e8a7b42"),
        "no_date": _("A day, such as 2026-02-28"),
        "no_time": _("A time, such as 14:30:00"),
        "no_date_time": _("A moment, such as 2026-02-28T14:30:00Z"),
        "hint_zone": _("In your time zone, {zone}."),
    }


def _reasons() -> dict[str, str]:
    return {
        "why_value": _("The fields cannot show this value; here it is as JSON."),
        "why_keyword": _("The form does not know “{keyword}”; write this as JSON."),
        "why_both": _(
            "The schema says “{keyword}” in several places; write this as JSON."
        ),
        "why_elsewhere": _(
            "The schema refers to {reference}, which is not in it; write this as JSON."
        ),
        "why_circle": _("The schema only refers to itself; write this as JSON."),
        "why_never": _("The schema allows no value at all; write one as JSON."),
        "why_no_schema": _("This is not written as a schema is; write this as JSON."),
        "why_type": _("The form does not know the type “{type}”; write this as JSON."),
    }


def results_texts() -> dict[str, str]:
    """Give those around what the server answers."""
    return {
        "empty": _("The answer is empty."),
        "is_error": _("The tool says that it failed:"),
        "error": _("Error {code}:"),
        "structured": _("Structured content"),
        "same_text": _("The same, as text"),
        "more": _("What else the answer says"),
        "unknown": _("Content of a kind that is not known here"),
        "tool_use": _("Wants to call {name}"),
        "tool_result": _("What a tool answered"),
        "audience": _("for {audience}"),
        "priority": _("priority {priority}"),
        "modified": _("changed {date}"),
        "read": pgettext("console", "Read"),
        "read_one": _("Read {name}"),
        "bytes": _("{size} bytes"),
        "save": _("Save"),
        "image": _("Image: {facts}"),
        "sound": _("Sound: {facts}"),
        "no_base64": _("This is not written in base64, so that it cannot be shown."),
        "too_big": _("Too large to be shown here."),
        "broken_media": _("Your browser cannot show this as {type}."),
        "as_text": _("As plain text"),
        "as_markdown": _("As Markdown"),
        "as_tree": _("As a table or tree"),
        "cut": _("The first {shown} of {count} characters."),
        "show_all": _("Show all"),
        "show_more": _("Show more"),
        "rows": _("{shown} of {count}"),
        "table": _("Table, rows: {count}"),
        "list_of": _("list of {count}"),
        "object_of": _("object of {count}"),
    }
