"""A slow and plain reading of CSV reports, beside that of pages: character by character, and a row from each record."""

import datetime
import json
import re

import plain_reading

# Names in older reports, and what the fields are called now.
OLDER_NAMES = {"extendedcost": "cost", "accountownerid": "accountowneremail"}
# The parts of the date that older reports repeat.
PARTS = ("month", "day", "year")


def read_csv(body, rows):
    """Takes a CSV report of usage details."""
    text = body.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    records = [record for record in records_of(text) if record[0] != [""]]
    captions = None
    for number, (fields, is_broken, state) in enumerate(records):
        if state == "in quotes":
            raise plain_reading.PageError("broken")
        names = [re.fullmatch(r"(?:.*\()?(.*?)\)?", field.strip(), re.S)[1].strip() for field in fields]
        keys = [re.sub("[ _-]", "", name).lower() for name in names]
        keys = [OLDER_NAMES.get(key, key) for key in keys]
        if captions is None:
            known = sum(key in rows.by_name for key in keys)
            others = ("", *PARTS, plain_reading.ENROLLMENT_FIELD)
            unknown = sum(key not in rows.by_name and key not in others for key in keys)
            if known >= max(2, unknown):
                if state == "without end":
                    raise plain_reading.PageError("broken")
                used = [key for key in keys if key]
                if len(set(used)) < len(used) or not {"date", "cost"} <= set(keys):
                    raise plain_reading.PageError("form")
                captions = names, keys, set(PARTS) <= set(keys)
            continue
        width = max(at + 1 for at, key in enumerate(captions[1]) if key)
        if state == "without end" and number == len(records) - 1 and len(fields) < width:
            raise plain_reading.PageError("broken")
        take_record(fields, is_broken, captions, width, rows)
    if captions is None:
        raise plain_reading.PageError("form" if records and records[-1][2] == "" else "broken")


def records_of(text):
    """The records of a CSV, character by character: fields, whether something follows a closing quote, how it ends."""
    fields, field, behind, state, is_broken = [], "", "", "start", False
    for character in text:
        if state == "start" and character == '"':
            state = "quoted"
        elif state == "quoted" and character == '"':
            state = "quote"
        elif state == "quote" and character == '"' and not behind:
            state = "quoted"
            field += '"'
        elif state == "quoted":
            field += character
        elif character in ",\n":
            ends = character == "\n"
            if ends and state == "plain":
                field = field.removesuffix("\r")
            is_broken |= behind not in ("", "\r" if ends else "")
            fields.append(field)
            field, behind, state = "", "", "start"
            if ends:
                yield fields, is_broken, ""
                fields, is_broken = [], False
        elif state == "quote":
            behind += character
        else:
            field += character
            state = "plain"
    if fields or state != "start":
        field = field.removesuffix("\r") if state == "plain" else field
        is_broken |= behind not in ("", "\r")
        yield [*fields, field], is_broken, "in quotes" if state == "quoted" else "without end"


def take_record(fields, is_broken, captions, width, rows):
    names, keys, is_older = captions
    too_many = any(fields[len(keys) :]) or len(fields) > len(keys) + 1
    if is_broken or len(fields) < width or too_many:
        return rows.reject(None)
    parts = {key: field for key, field in zip(keys, fields)}
    if is_older:
        if form := re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", parts["date"]):
            parts["date"] = f"{form[3]}-{int(form[1]):02}-{int(form[2]):02}"
    members = []
    for name, key, field in zip(names, keys, fields):
        if not key and field:
            return rows.reject("extra")
        if field and not (is_older and key in PARTS):
            text = parts[key]
            known = rows.by_name.get(key)
            if known is not None:
                name = rows.fields[known][0]
            elif key == plain_reading.ENROLLMENT_FIELD:
                name = key
            members.append((name, name, text, json.dumps(text, ensure_ascii=False)))
    if is_older and parts["date"]:
        try:
            day = (plain_reading.EPOCH + datetime.timedelta(microseconds=plain_reading.instant_of(parts["date"]))).date()
        except plain_reading.Rejected:
            return rows.reject("date")
        if [day.month, day.day, day.year] != [int(parts[part] or 0) for part in PARTS]:
            return rows.reject("date")
    return rows.take(members)
