"""simple-salesforce judges the simulated Salesforce.

Reads the simulator's address and credentials from TANDEM_SIM (the JSON line that `tandem sim
salesforce` prints), says what passed, and fails if anything did not. The client speaks only https to
*.salesforce.com, so a small TLS forwarder with a certificate of its own stands in front, and names are
resolved to it inside this process alone.
"""

import datetime
import ipaddress
import json
import os
import socket
import ssl
import sys
import tempfile
import threading
import urllib.request
from email.utils import format_datetime
from urllib.parse import urlparse

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceGeneralError,
    SalesforceMalformedRequest,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)

SIM = json.loads(os.environ["TANDEM_SIM"])
DOMAIN = "tandem.my"
HOST = f"{DOMAIN}.salesforce.com"
RUN = f"py-{os.getpid()}"
UTC = datetime.timezone.utc
RESULTS = {"passed": 0, "failed": 0}


def check(name, truth):
    RESULTS["passed" if truth else "failed"] += 1
    if not truth:
        print(f"FAILED {name}", file=sys.stderr)


def refused(name, exception, code, call):
    """The call is refused with this exception and this errorCode."""
    try:
        call()
    except exception as error:
        content = error.content
        found = content[0].get("errorCode") if isinstance(content, list) and content else content
        check(f"{name}: {found}", found == code)
    else:
        check(f"{name}: was not refused", False)


def certificate(folder):
    """A certificate for HOST, signed by its own key; the paths of certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = os.path.join(folder, "sim.pem")
    with open(pem, "wb") as out:
        out.write(built.public_bytes(serialization.Encoding.PEM))
    private = os.path.join(folder, "sim.key")
    with open(private, "wb") as out:
        out.write(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    return pem, private


def pump(source, sink):
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    except OSError:
        pass
    finally:
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def forwarder(pem, private):
    """Ends TLS on a free loopback port and passes the bytes on to the simulator; returns the port."""
    target = urlparse(SIM["url"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(plain):
        try:
            inner = context.wrap_socket(plain, server_side=True)
        except OSError:
            return
        outer = socket.create_connection((target.hostname, target.port))
        threading.Thread(target=pump, args=(outer, inner), daemon=True).start()
        pump(inner, outer)

    def accept():
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=serve, args=(plain,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def resolve_to(port):
    """Makes *.salesforce.com resolve to the forwarder in this process."""
    system = socket.getaddrinfo

    def resolve(host, service, *args, **kwargs):
        if host == HOST:
            address = (str(ipaddress.IPv4Address("127.0.0.1")), port)
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]
        return system(host, service, *args, **kwargs)

    socket.getaddrinfo = resolve


def log_in(pem, secret=SIM["client_secret"]):
    session = requests.Session()
    session.trust_env = False
    session.verify = pem
    return Salesforce(
        consumer_key=SIM["client_id"],
        consumer_secret=secret,
        domain=DOMAIN,
        session=session,
        version="60.0",
    )


def colleague(edit):
    """Another user of the org edits a record."""
    body = json.dumps(edit).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(SIM["url"] + "/_sim/edit", data=body, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as answer:
        return json.load(answer)


def moment(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def session_and_shape(pem):
    try:
        log_in(pem, "wrong")
        check("a wrong secret is refused", False)
    except SalesforceAuthenticationFailed as error:
        check("a wrong secret is refused", error.code == "invalid_client")
    sf = log_in(pem)
    check("the instance is the host that was asked", sf.sf_instance == HOST)
    limits = sf.limits()
    check("limits", limits["DailyApiRequests"]["Max"] > limits["DailyApiRequests"]["Remaining"])
    check("usage is told", sf.api_usage["api-usage"].used >= 1)
    check("global describe", {"Account", "Contact"} <= {entry["name"] for entry in sf.describe()["sobjects"]})
    fields = {field["name"]: field for field in sf.Contact.describe()["fields"]}
    check("the key is an external id", fields["Ivvy_Id__c"]["externalId"] and fields["Ivvy_Id__c"]["unique"])
    check("metadata", sf.Contact.metadata()["objectDescribe"]["name"] == "Contact")
    sf.headers["Authorization"] = "Bearer stale"
    check("an ended session is renewed", sf.query("SELECT COUNT() FROM Contact")["done"])
    direct = Salesforce(instance=HOST, session_id="stale", session=sf.session, version="60.0")
    refused(
        "an ended session without credentials",
        SalesforceExpiredSession,
        "INVALID_SESSION_ID",
        lambda: direct.query("SELECT Id FROM Contact"),
    )
    return sf


def one_record(sf):
    key = f"Ivvy_Id__c/{RUN}-1"
    check("upsert creates", sf.Contact.upsert(key, {"LastName": "Ōta", "FirstName": "Zoë"}) == 201)
    check("upsert updates", sf.Contact.upsert(key, {"Phone": "+64 9 1"}) in (200, 204))
    read = sf.Contact.get_by_custom_id("Ivvy_Id__c", f"{RUN}-1")
    check("both writes met one record", (read["Name"], read["Phone"]) == ("Zoë Ōta", "+64 9 1"))
    check("attributes", read["attributes"]["url"].endswith(read["Id"]))
    check("update", sf.Contact.update(read["Id"], {"Email": "zoe@venue.example"}) == 204)
    check("short ids work", sf.Contact.get(read["Id"][:15])["Email"] == "zoe@venue.example")
    made = sf.Contact.create({"LastName": "Gone"})
    check("create", made["success"] and made["errors"] == [] and len(made["id"]) == 18)
    check("delete", sf.Contact.delete(made["id"]) == 204)
    refused("read of a deleted record", SalesforceResourceNotFound, "ENTITY_IS_DELETED", lambda: sf.Contact.get(made["id"]))
    found = sf.query_all(f"SELECT Id FROM Contact WHERE Id = '{made['id']}'", include_deleted=True)
    check("queryAll shows it", found["totalSize"] == 1)
    check("query does not", sf.query(f"SELECT Id FROM Contact WHERE Id = '{made['id']}'")["totalSize"] == 0)
    return read["Id"], made["id"]


def conditional(sf, contact):
    changed = moment(sf.Contact.get(contact)["LastModifiedDate"])

    def write(at, name):
        headers = {"If-Unmodified-Since": format_datetime(at.astimezone(UTC), usegmt=True)}
        return sf.Contact.update(contact, {"FirstName": name}, headers=headers)

    check("a write that names the present stamp", write(changed, "Fresh") == 204)
    colleague({"object": "Contact", "id": contact, "fields": {"FirstName": "Theirs"}})
    try:
        write(changed - datetime.timedelta(seconds=1), "Stale")
        check("a stale write", False)
    except SalesforceGeneralError as error:
        check("a stale write", error.status == 412)
    check("their value stands", sf.Contact.get(contact)["FirstName"] == "Theirs")


def collections(sf):
    people = [
        {"attributes": {"type": "Contact"}, "Ivvy_Id__c": f"{RUN}-{number}", "LastName": f"Page {number:04}"}
        for number in range(100, 350)
    ]
    path = "composite/sobjects/Contact/Ivvy_Id__c"
    created = []
    for part in (people[:200], people[200:]):
        created += sf.restful(path, method="PATCH", json={"allOrNone": False, "records": part})
    check("list upsert creates", all(item["success"] and item["created"] for item in created))
    mixed = [dict(people[0], Email="page@venue.example"), dict(people[1], Email="no address")]
    answer = sf.restful(path, method="PATCH", json={"allOrNone": False, "records": mixed})
    check("results in order", answer[0]["created"] is False and answer[1]["success"] is False)
    check("item error", answer[1]["errors"][0]["statusCode"] == "INVALID_EMAIL_ADDRESS")
    soql = f"SELECT Id, LastName, SystemModstamp FROM Contact WHERE Ivvy_Id__c LIKE '{RUN}-%' AND LastName LIKE 'Page%' ORDER BY SystemModstamp, Id"
    small = {"Sforce-Query-Options": "batchSize=200"}
    first = sf.query(soql, headers=small)
    check("first page", not first["done"] and len(first["records"]) == 200 and first["totalSize"] == 250)
    rest = sf.query_more(first["nextRecordsUrl"], identifier_is_url=True)
    ids = [row["Id"] for row in first["records"] + rest["records"]]
    check("all pages", rest["done"] and sorted(ids) == sorted(item["id"] for item in created))
    check("iteration", len(list(sf.query_all_iter(soql, headers=small))) == 250)
    locator = first["nextRecordsUrl"].split("/")[-1]
    check("by locator", len(sf.query_more(locator)["records"]) == 50)


def feeds(sf, living, dead):
    now = datetime.datetime.now(UTC)
    window = (now - datetime.timedelta(minutes=10), now + datetime.timedelta(minutes=2))
    updated = sf.Contact.updated(*window)
    check("updated", living in updated["ids"] and dead not in updated["ids"])
    deleted = sf.Contact.deleted(*window)
    check("deleted", dead in [entry["id"] for entry in deleted["deletedRecords"]])
    check("covered", moment(deleted["earliestDateAvailable"]) < moment(deleted["latestDateCovered"]) <= window[1])


def refusals(sf):
    bad, missing = SalesforceMalformedRequest, SalesforceResourceNotFound
    refused("syntax", bad, "MALFORMED_QUERY", lambda: sf.query("SELECT Id FROM Contact WHERE"))
    refused("column", bad, "INVALID_FIELD", lambda: sf.query("SELECT Nope FROM Contact"))
    refused("object", bad, "INVALID_TYPE", lambda: sf.query("SELECT Id FROM Nope"))
    refused("required", bad, "REQUIRED_FIELD_MISSING", lambda: sf.Contact.create({"FirstName": "A"}))
    refused("too long", bad, "STRING_TOO_LONG", lambda: sf.Contact.create({"LastName": "x" * 81}))
    refused("taken", bad, "DUPLICATE_VALUE", lambda: sf.Contact.create({"LastName": "A", "Ivvy_Id__c": f"{RUN}-1"}))
    refused("malformed id", bad, "MALFORMED_ID", lambda: sf.Contact.update("nonsense", {"LastName": "A"}))
    refused("no such record", missing, "NOT_FOUND", lambda: sf.Contact.get("0035g00000zzzzz"))
    refused("no such object", missing, "NOT_FOUND", lambda: sf.Nope.get("0035g00000zzzzz"))
    refused("read-only object", SalesforceRefusedRequest, "INSUFFICIENT_ACCESS_OR_READONLY", lambda: sf.User.create({"LastName": "A"}))


def main():
    with tempfile.TemporaryDirectory() as folder:
        pem, private = certificate(folder)
        resolve_to(forwarder(pem, private))
        sf = session_and_shape(pem)
        living, dead = one_record(sf)
        conditional(sf, living)
        collections(sf)
        feeds(sf, living, dead)
        refusals(sf)
    print(f"{RESULTS['passed']} passed, {RESULTS['failed']} failed")
    return 1 if RESULTS["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
