# SPDX-License-Identifier: GPL-2.0
"""MaxMind's country archive as it is published, through the real fetcher: several files in one zip, joined and cut down to a
country; and through the agent, from the config to packets."""
import io, ipaddress, os, struct, types, zipfile
import pytest
from lab import wait_for
from test_fetch import FAILED, LIST, fetch, zipped

BLOCKS = "network,geoname_id,registered_country_geoname_id,represented_country_geoname_id,is_anonymous_proxy,is_satellite_provider,is_anycast\n"
LOCATIONS = "geoname_id,locale_code,continent_code,continent_name,country_iso_code,country_name,is_in_european_union\n"
COUNTRY = {  # as MaxMind publishes it: texts, the locations in each language, the blocks of both families
    "COPYRIGHT.txt": "Database and Contents Copyright (c) 2026\n", "LICENSE.txt": "Use of this database is governed by\n192.0.2.99\n",
    "GeoLite2-Country-Locations-en.csv": LOCATIONS + '2782113,en,EU,Europe,AT,Austria,1\n2921044,en,EU,Europe,DE,Germany,1\n6255148,en,EU,Europe,,,0\n6252001,en,NA,"North America",US,"United States",0',
    "GeoLite2-Country-Locations-de.csv": LOCATIONS + "1,de,EU,Europa,AT,\u00d6sterreich,1\n2,de,EU,Europa,DE,Deutschland,1\n",
    "GeoLite2-Country-Blocks-IPv4.csv": BLOCKS + "192.0.2.0/25,2921044,2921044,,0,0,\n192.0.2.128/25,2782113,2921044,,0,0,\n198.51.100.0/24,,2921044,,0,0,\n203.0.113.0/24,6252001,6252001,,0,0,",
    "GeoLite2-Country-Blocks-IPv6.csv": BLOCKS + "2001:db8::/33,2921044,2921044,,0,0,\n2001:db8:8000::/33,2782113,2782113,,0,0,\n",
    "README.txt": "198.51.100.77\n"}


def country_zip(order=None, streamed=False, **changed):
    """MaxMind's archive, its files in @order; @changed replaces texts by the end of their names."""
    room = io.BytesIO()
    pipe = types.SimpleNamespace(write=room.write, flush=room.flush)
    with zipfile.ZipFile(pipe if streamed else room, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in order or COUNTRY:
            text = next((new for end, new in changed.items() if name.endswith(end.replace("_", "-") + ".csv")), COUNTRY[name])
            if text is not None:
                archive.writestr(f"GeoLite2-Country-CSV_20261120/{name}", text)
    return room.getvalue()


def thrown():
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", b"\0" * (65 << 20))
    return room.getvalue()


IPV4_DE, IPV6_DE = ["192.0.2.0/25", "198.51.100.0/24"], ["2001:db8::/33"]
COUNTRIES = {  # name: (archive, the list or why it is refused)
    "published": (country_zip(), IPV4_DE + IPV6_DE), "streamed": (country_zip(streamed=True), IPV4_DE + IPV6_DE),
    "backwards": (country_zip(order=list(reversed(COUNTRY))), IPV4_DE + IPV6_DE), "without IPv6": (country_zip(Blocks_IPv6=None), IPV4_DE),
    "without locations": (country_zip(Locations_en=None), IPV4_DE + IPV6_DE),
    "other numbers": (country_zip(Locations_en=LOCATIONS + "4711,en,EU,Europe,DE,Germany,1\n"), "its locations have another number for country DE than GeoNames"),
    "without blocks": (country_zip(Blocks_IPv4=None, Blocks_IPv6=None), "no entries"),
    "other blocks": (country_zip(Blocks_IPv4="a,b\n1,2\n", order=["GeoLite2-Country-Blocks-IPv4.csv"]), "not MaxMind's country blocks: the header network,geoname_id is missing"),
    "cut short": (country_zip()[:-30], "zip file cut short"), "cut in a file": (country_zip()[:500], "zip file cut short"),
    "texts alone": (country_zip(order=["LICENSE.txt", "README.txt"]), "a zip file without a list"),
    "many files": (zipped(*[b"#\n"] * 65), "a zip file with more than 64 files"),
    "much thrown away": (thrown(), "a zip file with more than 64 MiB that are no list"),
}


def read(folder, body, **job):
    """What the fetcher makes of @body in a file."""
    path = folder / "country.zip"
    path.write_bytes(body)
    return fetch(str(path), is_file=True, **job)


@pytest.mark.parametrize("name", COUNTRIES)
def test_country_archive(name, tmp_path):
    """A country of MaxMind's archive as it is published: join of its blocks and locations, whatever the order of its files."""
    body, want = COUNTRIES[name]
    result = read(tmp_path, body, kind=10, countries=b"DE")
    if isinstance(want, str):
        assert (result.status, result.why) == (FAILED, want)
        return
    assert result.status == LIST, result.why
    n4, n6 = struct.unpack_from("<II", result.list, 12)
    nets = [ipaddress.ip_network(struct.unpack_from("<IB", result.list, 80 + 8 * i)) for i in range(n4)]
    nets += [ipaddress.ip_network((hi << 64 | lo, length)) for hi, lo, length in (struct.unpack_from("<QQB", result.list, 80 + 8 * n4 + 24 * i) for i in range(n6))]
    assert [str(net) for net in nets] == want


def test_country_archive_without_a_country(tmp_path):
    result = read(tmp_path, country_zip(), kind=0)
    assert (result.status, result.why) == (FAILED, "MaxMind's country archive: give format: maxmind and country: CODES")


def test_a_country_is_dropped(lab, agent):
    one = agent()
    path = one.dir / "country.zip"
    path.write_bytes(country_zip())
    one.write(f'feeds:\n  - {{name: land, path: "{path}", format: maxmind, country: DE}}\n')
    one.start()
    one.cli("feed", "update", "land")
    shown = one.ask("feed", "show", "land")
    assert (shown["format"], shown["entries_v4"], shown["entries_v6"], shown["skipped"], shown["errors_total"]) == ("maxmind", 2, 1, 3, 0)
    assert [lab.probe(source, 5) for source in ("192.0.2.1", "198.51.100.1", "192.0.2.200", "203.0.113.1", "198.51.100.99")] == [0, 0, 5, 5, 0]
    assert lab.probe("2001:db8::1", 5) == 0 and lab.probe("2001:db8:8000::1", 5) == 5
