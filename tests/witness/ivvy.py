#!/usr/bin/env python3
"""An independent witness of the simulated iVvy.

Written from contracts/ivvy.md alone, with the standard library alone, so that an error shared by
Tandem's client and Tandem's simulator cannot go unseen.

    ivvy.py URL KEY SECRET

Prints one line per failed check and `N passed, M failed`; exits 1 when a check failed.
"""

import datetime
import hashlib
import hmac
import http.client
import http.server
import json
import queue
import sys
import threading
import urllib.parse

VECTORS = [
    # secret, body, content type, date header, IVVY headers, target, signature (contract 3)
    ("my secret key", b'{"example":"body"}', "application/json", "",
     {"IVVY-Date": "2012-04-03 22:23:24"}, "/api/1.0/test?action=ping",
     "74af7ec6fec55dc88543e05096c69cebaf391eb9"),
    ("my secret key", b'{"example":"body"}', "application/json", "Tue, 03 Apr 2012 22:23:24 UTC",
     {}, "/api/1.0/test?action=ping", "763f8631932e4387a5c97e7176c8f1201b68115d"),
    ("my secret key", '{"firstName":"Zoë","lastName":"Łukasz"}'.encode(), "application/json", "",
     {"IVVY-Date": "2024-03-11 00:00:45"}, "/api/1.0/contact?action=addOrUpdateContact",
     "753e161500a782642df9dc70cf683bb01ea02488"),
]


def signature(secret, body, media, date, ivvy_headers, target, method="POST"):
    """HMAC-SHA1 over the lower-cased string to sign, as lower-case hex."""
    own = {name.replace("-", "").replace("_", ""): value for name, value in ivvy_headers.items()}
    text = method + hashlib.md5(body).hexdigest() + media + date + target + "1.0"
    text += "&".join(f"{name}={own[name]}" for name in sorted(own))
    return hmac.new(secret.encode(), text.lower().encode(), hashlib.sha1).hexdigest()


def stamp(offset=0, suffix=""):
    """Now, in UTC, as IVVY-Date wants it."""
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset)
    return now.strftime("%Y-%m-%d %H:%M:%S") + suffix


class Client:
    """Signs and sends; every keyword of `send` spoils one part of the request."""

    def __init__(self, url, key, secret):
        self.address = urllib.parse.urlsplit(url)
        self.key, self.secret = key, secret

    def send(self, target, params, *, method="POST", key=None, secret=None, md5=None, date=None,
             sent_target=None, without=(), plain_date=False):
        body = json.dumps(params, ensure_ascii=False, separators=(",", ":")).encode()
        media = "application/json"
        date = date or stamp()
        if plain_date:
            now = datetime.datetime.now(datetime.timezone.utc)
            date = now.strftime("%a, %d %b %Y %H:%M:%S UTC")
            own, signed_date = {}, date
        else:
            own, signed_date = {"IVVY-Date": date}, ""
        signed = signature(secret or self.secret, body, media, signed_date, own, target, method)
        headers = {
            "Content-Type": media,
            "Content-MD5": md5 or hashlib.md5(body).hexdigest(),
            "X-Api-Authorization": f"IWS {key or self.key}:{signed}",
        }
        headers.update(own if own else {"Date": date})
        for name in without:
            headers.pop(name)
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=20)
        try:
            connection.request(method, sent_target or target, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, response.getheader("Content-Type"), json.loads(response.read())
        finally:
            connection.close()

    def call(self, action, params, namespace="contact", **spoilt):
        return self.send(f"/api/1.0/{namespace}?action={action}", params, **spoilt)


class Report:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, truth, seen=""):
        if truth:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {name}: {seen}")

    def refused(self, name, answer, code, specific=None):
        status, media, body = answer
        found = body.get("specificCode")
        found = int(found) if found is not None else None
        right = status == code and body.get("errorCode") == code and found == specific
        self.check(name, right and media == "application/json" and bool(body.get("message")), answer)


def good_calls(client, report):
    status, media, body = client.call("ping", {}, "test")
    report.check("ping answers", status == 200 and media == "application/json", (status, media))
    ack = datetime.datetime.strptime(body["ack"].removesuffix(" UTC"), "%Y-%m-%d %H:%M:%S")
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    report.check("ping tells the time", abs((now - ack).total_seconds()) < 10, body)
    report.check("ping takes the UTC suffix", client.call("ping", [], "test", date=stamp(suffix=" UTC"))[0] == 200)
    report.check("ping takes a Date header", client.call("ping", {}, "test", plain_date=True)[0] == 200)

    email = f"witness.{stamp().replace(' ', '.').replace(':', '')}@example.com"
    person = {"firstName": "Zoë 山田", "lastName": "O'Brien", "email": email, "externalId": "witness-1"}
    status, _, body = client.call("addOrUpdateContact", person)
    report.check("add", status == 200 and body.get("success", True) is True and isinstance(body.get("id"), int), body)
    contact = body.get("id")
    status, _, body = client.call("addOrUpdateContact", person)
    report.check("the same again is refused with 200", status == 200 and body.get("success") is False, body)
    status, _, body = client.call("addOrUpdateContact", {"id": contact, "phone": "+61 2 9999 0000"})
    report.check("update", status == 200 and body.get("success", True) is True and body.get("id") == contact, body)
    status, _, body = client.call("getContact", {"id": contact})
    kept = all(body.get(name) == value for name, value in person.items())
    report.check("get shows what was added", status == 200 and kept and int(body["id"]) == contact, body)
    report.check("get shows what was updated", body.get("phone") == "+61 2 9999 0000", body.get("phone"))

    seen, start, total = [], 0, None
    while total is None or start < total:
        status, _, body = client.call("getContactList", {"perPage": 3, "start": start})
        if status != 200 or not body["results"]:
            break
        total = body["meta"]["totalResults"]
        seen += [int(row["id"]) for row in body["results"]]
        start += len(body["results"])
    report.check("paging sees everyone once", total == len(seen) == len(set(seen)) and contact in seen, (total, seen))
    status, _, body = client.call("getContactList", {"perPage": 5000, "start": 0})
    report.check("perPage is clamped", status == 200 and body["meta"]["perPage"] == 100, body.get("meta"))
    query = {"perPage": 100, "start": 0, "filter": {"externalId": "witness-1"}}
    status, _, body = client.call("getContactList", query)
    report.check("filter by externalId", [int(row["id"]) for row in body["results"]] == [contact], body.get("meta"))

    report.refused("a missing parameter", client.call("getContact", {}), 400, 23017)
    report.refused("a wrong parameter", client.call("getContact", {"id": "abc"}), 400, 23016)
    report.refused("a missing contact", client.call("getContact", {"id": 1}), 400, 24096)


def module_calls(client, report):
    def rows(action, namespace, **more):
        """Every row of a list, page by page, as the contract says: by results, not by meta.count."""
        found, start = [], 0
        while True:
            status, _, body = client.call(action, {"perPage": 20, "start": start, **more}, namespace)
            if status != 200 or not body["results"]:
                return found
            found += body["results"]
            start += len(body["results"])
            if start >= body["meta"]["totalResults"]:
                return found

    staff = rows("getUserList", "account")
    emails = [user["email"].strip().lower() for user in staff]
    report.check("staff without an address", "" in emails, emails)
    report.check("staff sharing an address", len(set(emails)) < len(emails), emails)
    report.refused("staff cannot be written", client.call("addOrUpdateUser", {"id": 301}, "account"), 404)

    status, _, groups = client.call("getSubscriptionGroupList", {})
    report.check("groups are a bare array", status == 200 and isinstance(groups, list) and groups, groups)
    contact, group = int(rows("getContactList", "contact")[0]["id"]), int(groups[0]["id"])
    for action in ("addContactsToSubscriptionGroup", "removeContactsFromSubscriptionGroup"):
        status, _, body = client.call(action, {"contacts": [contact, 1], "group": group})
        answers = {int(item["contactId"]): bool(item["status"]) for item in body}
        report.check(f"{action} answers per contact", answers == {contact: True, 1: False}, body)

    status, _, body = client.call("addOrUpdateLeadSource", {"name": "Witness"}, "crm")
    report.check("a lead source is added", status == 200 and body.get("success", True) is True, body)
    names = [source["name"] for source in rows("getLeadSourceList", "crm")]
    report.check("and listed", names.count("Witness") == 1, names)
    answer = client.call("addOrUpdateLeadSource", {"id": 1, "name": "x"}, "crm")
    report.refused("the system's own is not", answer, 400, 24326)

    lead = {"name": "Witness", "sourceId": 2, "typeId": 2, "stageId": 1, "contactId": contact}
    status, _, body = client.call("addOrUpdateLead", lead)
    report.check("a lead is added in contact", status == 200 and isinstance(body.get("id"), int), body)
    listed = [row for row in rows("getLeadList", "crm") if int(row["id"]) == body.get("id")]
    report.check("and listed in crm", len(listed) == 1 and int(listed[0]["contact"]["id"]) == contact, listed)
    report.refused("an empty lead", client.call("addOrUpdateLead", {"id": body.get("id")}), 400, 24215)
    report.refused("no such lead", client.call("addOrUpdateLead", {"id": 1, "name": "x"}), 400, 24216)
    report.refused("a lead without owner", client.call("addOrUpdateLead", {**lead, "contactId": ""}), 400, 24218)

    events = rows("getEventList", "event")
    report.check("events", len(events) > 1, events)
    for event in events:
        registrations = rows("getRegistrationList", "event", eventId=int(event["id"]))
        report.check("registrations of an event", all(int(row["eventId"]) == int(event["id"]) for row in registrations)
                     and registrations, len(registrations))
        attendees = rows("getAttendeeList", "event", eventId=int(event["id"]))
        invited = rows("getInvitedContactList", "event", eventId=int(event["id"]))
        answers = {row["response"] for row in invited}
        report.check("attendees and invited", attendees and answers <= {"U", "Y", "N"}, invited)
    page = {"perPage": 9, "start": 0}
    report.refused("registrations of no event", client.call("getRegistrationList", page, "event"), 400, 23017)
    filtered = {"eventId": events[0]["id"], "filter": {"id": 1}, **page}
    report.refused("attendees have no filter", client.call("getAttendeeList", filtered, "event"), 400, 23016)

    bookings = rows("getBookingListForAccount", "venue")
    status, _, one = client.call("getBooking", {"id": bookings[0]["id"], "venueId": bookings[0]["venueId"]}, "venue")
    report.check("a booking alone", status == 200 and int(one["id"]) == int(bookings[0]["id"])
                 and one["opportunityId"] == bookings[0]["leadId"], one)
    report.check("statuses of bookings", {1, 2, 3, 4} <= {int(row["currentStatus"]) for row in bookings})
    report.check("emails in HTML", all("<" in row["body"] for row in rows("getEmailLogList", "account")))


def batch_calls(client, report):
    """A batch, its refusals, and its callback, received by a server of our own."""
    posted = queue.Queue()

    class Caller(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            posted.put((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    caller = http.server.HTTPServer(("127.0.0.1", 0), Caller)
    threading.Thread(target=caller.serve_forever, daemon=True).start()
    jobs = [{"namespace": "test", "action": "ping", "params": {}},
            {"namespace": "contact", "action": "getContact", "params": {"id": 1}}]
    url = f"http://127.0.0.1:{caller.server_port}/done?token=w"
    status, _, body = client.call("run", {"jobs": jobs, "callbackUrl": url}, "batch")
    report.check("a batch is taken", status == 200 and len(body.get("asyncId", "")) == 32, body)
    asked = {"async": body["asyncId"]}
    report.refused("its results come later", client.call("results", asked, "batch"), 400, 24114)
    many = {"jobs": jobs * 101, "callbackUrl": url}
    report.refused("more than 200 jobs", client.call("run", many, "batch"), 400, 24448)
    report.refused("no such batch", client.call("progress", {"async": "0" * 32}, "batch"), 400, 24105)
    path, told = posted.get(timeout=20)
    addressed = path == "/done?token=w" and told["asyncId"] == asked["async"]
    report.check("the callback comes to its address", addressed, told)
    status, _, body = client.call("results", asked, "batch")
    report.check("and tells the results", status == 200 and body["results"] == told["results"], body)
    errors = {job["action"]: int(job["response"].get("errorCode", 0)) for job in told["results"]}
    report.check("each job for itself", errors == {"ping": 0, "getContact": 400}, errors)
    caller.shutdown()


def wrong_calls(client, report):
    def ping(**spoilt):
        return client.call("ping", {}, "test", **spoilt)

    report.refused("bad MD5", ping(md5="0" * 32), 401)
    report.refused("stale date", ping(date=stamp(-310)), 401, 23005)
    report.refused("date in the future", ping(date=stamp(310)), 401, 23005)
    report.refused("wrong key", ping(key="nobody"), 401)
    report.check("the secret has capitals", client.secret != client.secret.lower())
    report.refused("lower-cased secret", ping(secret=client.secret.lower()), 401)
    signed, sent = "/api/1.0/test?action=ping&a=1", "/api/1.0/test?a=1&action=ping"
    report.refused("query in another order than signed", client.send(signed, {}, sent_target=sent), 401)
    report.refused("query not signed", client.send("/api/1.0/test?action=ping", {}, sent_target=signed), 401)
    report.refused("no authorization", ping(without=["X-Api-Authorization"]), 401)
    report.refused("no MD5", ping(without=["Content-MD5"]), 401)
    report.refused("no date", ping(without=["IVVY-Date"]), 401, 23005)
    report.refused("GET", ping(method="GET"), 405)
    report.refused("unknown action", client.call("pong", {}, "test"), 404)
    report.refused("unknown version", client.send("/api/1.1/test?action=ping", {}), 404)
    report.check("a good call still works", ping()[0] == 200)


def main():
    client, report = Client(*sys.argv[1:4]), Report()
    for *inputs, expected in VECTORS:
        report.check("published vector", signature(*inputs) == expected, inputs)
    good_calls(client, report)
    module_calls(client, report)
    batch_calls(client, report)
    wrong_calls(client, report)
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
