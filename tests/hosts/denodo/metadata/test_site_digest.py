"""The site digest: equal for two sites that do the same work, and different for all others.

The statements have the form of real exports of 7.0 and later: header, comments between the
statements, texts in quotes that are doubled.
"""

import pytest

from hosts.denodo.metadata.site_digest import (
    MOST_BYTES,
    differences,
    installed_update,
    site_digest,
    statements,
)

SITE = """\
# Generated with Denodo Platform 8.0 update 20230301.

ENTER SINGLE USER MODE;
# ####################################### DATABASE; with a quote: don't
CREATE OR REPLACE USER reader 'C1PH3R' ENCRYPTED;
SET 'com.denodo.vdb.cache.url' = 'jdbc:postgresql://cache.a/c';
CONNECT DATABASE admin;
CREATE OR REPLACE DATASOURCE JDBC vdpcachedatasource
    DATABASEURI = 'jdbc:postgresql://cache.a/c';
CLOSE;
CONNECT DATABASE sales;
CREATE OR REPLACE DATASOURCE JDBC crm
    FOLDER = '/sources'
    DATABASEURI = 'jdbc:oracle:thin:@crm.a:1521/X'
    USERNAME = 'appuser'
    USERPASSWORD = 'Rr+OdGTW==' ENCRYPTED
    CLASSPATH = 'oracle-21c'
    PROPERTIES ('oracle.token' = 't0k3n', 'defaultRowPrefetch' = '10');
CREATE OR REPLACE DATASOURCE JSON sensors
    ROUTE HTTP 'http.CommonsHttpClientConnection,120000' GET 'http://a.example/sensors'
    AUTHENTICATION OFF;
CREATE OR REPLACE VIEW orders AS SELECT id AS id FROM crm WHERE note = 'it''s; # fine';
CREATE OR REPLACE VIEWSTATSUMMARY orders (ROWS = 1000);
CLOSE;
EXIT SINGLE USER MODE;
"""
OTHER_SITE = (
    ("update 20230301.\n", "update 20230301.\n# Exported by another user\n"),
    ("C1PH3R", "0TH3R"),
    ("'jdbc:postgresql://cache.a/c'", "'jdbc:postgresql://cache.b/c'"),
    ("crm.a:1521", "crm.b:1521"),
    ("'appuser'", "'otheruser'"),
    ("Rr+OdGTW==", "Qq+OdGTW=="),
    ("t0k3n", "0th3r"),
    ("http://a.example", "http://b.example"),
    ("ROWS = 1000", "ROWS = 2000"),
)


def digest(text: str, *not_compared: str) -> str:
    return site_digest(text.encode(), not_compared)


def changed(*changes: tuple[str, str]) -> str:
    text = SITE
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return text


@pytest.mark.parametrize("change", [*OTHER_SITE, ()])
def test_values_of_a_site_do_not_count(change: tuple[str, str] | tuple[()]) -> None:
    assert digest(changed(*((change,) if change else OTHER_SITE))) == digest(SITE) != ""


@pytest.mark.parametrize(
    ("change", "label"),
    [
        (("oracle-21c", "oracle-19c"), "sales/DATASOURCE JDBC crm"),
        (("'/sources'", "'/other'"), "sales/DATASOURCE JDBC crm"),
        (("USERNAME = 'appuser'", ""), "sales/DATASOURCE JDBC crm"),
        (("'defaultRowPrefetch' = '10'", "'defaultRowPrefetch' = '20'"), "sales/DATASOURCE"),
        (("AUTHENTICATION OFF", "AUTHENTICATION ON"), "sales/DATASOURCE JSON sensors"),
        (("HTTP 'http", "LOCAL 'http"), "sales/DATASOURCE JSON sensors"),
        (("it''s; # fine", "it''s; # wrong"), "sales/VIEW orders"),
        (("USER reader", "USER writer"), "/USER "),
        (("'com.denodo.vdb.cache.url'", "'com.denodo.vdb.other'"), "/SET 'com.denodo.vdb."),
        (("CONNECT DATABASE sales", "CONNECT DATABASE other"), "other/DATASOURCE JDBC crm"),
    ],
)
def test_every_other_difference_counts(change: tuple[str, str], label: str) -> None:
    other = changed(change)
    assert digest(other) != digest(SITE)
    found = differences(statements(SITE.encode()), statements(other.encode()))
    assert any(name.startswith(label) for name in found), found


def test_the_order_of_elements_and_their_layout_do_not_count() -> None:
    first = "CONNECT DATABASE a;\nCREATE VIEW x AS SELECT 1;\nCREATE VIEW y AS SELECT 2;"
    second = "\ufeffCONNECT DATABASE a;\r\nCREATE VIEW y\n AS SELECT 2;CREATE VIEW x AS SELECT 1"
    assert digest(first) == digest(second)


def test_differences_name_elements_and_keys_but_no_values() -> None:
    other = changed(("'/sources'", "'/s3cret'"), ("VIEW orders AS", "VIEW invoices AS"))
    found = differences(statements(SITE.encode()), statements(other.encode()))
    assert found == {
        "sales/DATASOURCE JDBC crm": "differs after FOLDER",
        "sales/VIEW invoices": "is only in the second export",
        "sales/VIEW orders": "is only in the first export",
    }
    assert not differences(statements(SITE.encode()), statements(changed(*OTHER_SITE).encode()))


def test_elements_can_be_left_out() -> None:
    other = changed(("oracle-21c", "oracle-19c"))
    assert digest(other, "sales/datasource jdbc C*") == digest(SITE, "sales/datasource jdbc C*")
    assert digest(other, "*/VIEW *") != digest(SITE, "*/VIEW *")
    assert digest(SITE, "*") == ""


@pytest.mark.parametrize("text", ["", "# only a comment", ";;;", "ENTER SINGLE USER MODE;\nCLOSE;"])
def test_a_text_without_elements_has_no_digest(text: str) -> None:
    assert digest(text) == ""


@pytest.mark.parametrize(
    "text",
    ["'", '"', "CREATE VIEW a '", "SET", "DROP", "CONNECT DATABASE", "=", "CREATE OR REPLACE", "#"],
)
def test_broken_texts_are_read(text: str) -> None:
    assert isinstance(digest(text), str)
    assert site_digest(text.encode() + b"\xff\x00", ()) == site_digest(text.encode() + b"\xff\x00")


def test_a_text_that_is_too_large_is_not_read() -> None:
    assert site_digest(b"x" * (MOST_BYTES + 1)) == ""


@pytest.mark.parametrize("part", ["'", "''", '"', "(", "= ", "'a'", "#", "a'b\"", "ROUTE HTTP "])
def test_the_reading_is_linear(part: str) -> None:
    """The time to read a text grows in proportion to its length.

    With a regular expression that backtracks, this test would not end.
    """
    assert isinstance(digest(f"CREATE DATASOURCE X y {part * 30_000}"), str)


@pytest.mark.parametrize(
    ("header", "update"),
    [
        ("# Generated with Denodo Platform 8.0 update 20230301.", "8.0 update 20230301"),
        ("\ufeff# Generated with Denodo Platform 9.1.3.\n", "9.1.3"),
        ("# Generated with Denodo Platform 7.0.\n\nENTER", "7.0"),
        ("# Generated by hand", ""),
        ("", ""),
    ],
)
def test_the_header_states_the_update(header: str, update: str) -> None:
    assert installed_update(header.encode()) == update
