# SPDX-License-Identifier: GPL-2.0
"""Every format: what a careful person reading each recorded file would name, written down a row a file; small files of
our own for each format and each way to break one; and the C parsers against a naive second reading, in chunks of any
size. The recorded files are those of ../shared/feeds/open (or $SEKISHO_SHARED/feeds/open) where they are there."""
import collections, json, os, pathlib, random, re, shutil, subprocess
import pytest
import feed_reference
from lab import BUILD

TOP = pathlib.Path(__file__).parents[2]
OPEN = pathlib.Path(os.environ.get("SEKISHO_SHARED", TOP.parent / "shared")) / "feeds/open"
GOLDEN = TOP / "tests/golden/feeds"
FORMATS = ("plain netset spamhaus tor ipsum dshield csv abuse-ch geofeed maxmind p2p dat json ndjson aws aws-ipset google "
           "github cloudflare atlassian misp abuseipdb spamhaus-json crowdsec rir").split()

# file: (recognised as, IPv4 entries, IPv6 entries, bad lines, duplicates); a range counts once, duplicates are prefixes.
RECORDED = {
    "akamai_v4.txt": ("plain", 19, 0, 0, 0),
    "allow_dns_servers.txt": ("plain", 5906, 136, 0, 0),
    "atlassian_2026.json": ("atlassian", 106, 60, 0, 0),
    "aws_ip-ranges_2025.json": ("aws", 8971, 4373, 0, 4278),
    "bogon_mixed.txt": ("plain", 7, 18, 1, 0),
    "cdn77_2026.json": ("json", 36, 0, 0, 0),
    "china_ip_list.txt": ("plain", 7456, 0, 0, 0),
    "cloudflare_ips-v4.txt": ("plain", 15, 0, 0, 0),
    "crowdsec_decisions_import.json": ("crowdsec", 5, 0, 0, 0),
    "datashield_ipv4.txt": ("plain", 30000, 0, 0, 0),
    "digitalocean_geofeed.csv": ("geofeed", 1037, 145, 0, 0),
    "dshield_block_2026.txt": ("dshield", 20, 0, 0, 0),
    "emule_ipfilter_dat_2024.dat": ("dat", 29665, 0, 0, 0),
    "facebook_ipv6_merged.txt": ("plain", 0, 47, 0, 0),
    "feodo_ipblocklist_2024.csv": ("abuse-ch", 28, 0, 0, 0),
    "firehol_bbcan177_ms1.netset": ("netset", 2565, 0, 0, 0),
    "firehol_blocklist_de_ssh.ipset": ("netset", 16325, 0, 0, 0),
    "firehol_dshield.netset": ("netset", 19, 0, 0, 0),
    "firehol_et_block.netset": ("netset", 2263, 0, 0, 0),
    "firehol_iblocklist_isp_aol.netset": ("netset", 16, 0, 0, 0),
    "firehol_level1.netset": ("netset", 2701, 0, 0, 0),
    "firehol_spamhaus_drop.netset": ("netset", 906, 0, 0, 0),
    "firehol_tor_exits.ipset": ("netset", 1970, 0, 0, 0),
    "firehol_webclient.netset": ("netset", 1201, 0, 0, 0),
    "fullbogons-ipv4_2022.txt": ("plain", 1479, 0, 0, 0),
    "gcp_cloud_2025.json": ("google", 736, 46, 0, 0),
    "generic_leading_blanks.txt": ("plain", 50, 0, 0, 0),
    "github_ipv6.txt": ("plain", 0, 1641, 0, 0),
    "github_meta_2025.json": ("github", 4969, 990, 0, 356),
    "ipsum_counts.txt": ("ipsum", 120430, 0, 0, 0),
    "ipsum_level3.txt": ("plain", 14217, 0, 0, 0),
    "ipsum_level4.txt": ("plain", 5354, 0, 0, 0),
    "ipsum_level6.txt": ("plain", 318, 0, 0, 0),
    "microsoft_ipv6.txt": ("plain", 0, 18510, 0, 0),
    "misp_cloudflare.json": ("misp", 15, 7, 0, 0),
    "misp_fastly.json": ("misp", 19, 2, 0, 0),
    "misp_public-dns-v6.json": ("misp", 0, 269, 0, 0),
    "misp_rfc5735.json": ("misp", 15, 0, 0, 0),
    "ovh_2026.json": ("json", 723, 42, 0, 0),
    "p2p_plaintext_first20k.p2p": ("p2p", 19977, 0, 0, 262),
    "qbt_ipfilter_mixed.dat": ("plain", 10, 1, 0, 0),
    "rir_ad_aggregated.json": ("rir", 25, 2, 0, 0),
    "rir_ad_ipv4.txt": ("plain", 25, 0, 0, 0),
    "rir_ad_ipv6.txt": ("plain", 0, 2, 0, 0),
    "secops_drop_trailing_blank.txt": ("plain", 989, 0, 0, 0),
    "spamhaus_drop_2024.txt": ("spamhaus", 989, 0, 0, 0),
    "spamhaus_drop_2025.txt": ("spamhaus", 1385, 0, 0, 0),
    "spamhaus_drop_v4_2025.json": ("spamhaus-json", 1406, 0, 0, 0),
    "spamhaus_dropv6_2025.txt": ("spamhaus", 0, 78, 0, 0),
    "sslbl_ipblacklist_2015.csv": ("abuse-ch", 83, 0, 0, 0),
    "tor_exit_2022.txt": ("plain", 1277, 753, 0, 0),
    "user-triggered-fetchers_2026.json": ("google", 362, 362, 0, 0),
    "zscaler.json": ("json", 30, 50, 0, 0),
    "history/drop_growth_00_20240405T121603Z.txt": ("spamhaus", 1010, 0, 0, 0),
    "history/drop_growth_01_20240410T091056Z.txt": ("spamhaus", 1007, 0, 0, 0),
    "history/drop_growth_02_20240410T103548Z.txt": ("spamhaus", 1107, 0, 0, 0),
    "history/drop_growth_03_20240410T111014Z.txt": ("spamhaus", 1354, 0, 0, 0),
    "history/drop_normal_00_20260608T095851Z.txt": ("spamhaus", 1622, 0, 0, 0),
    "history/drop_normal_01_20260609T102934Z.txt": ("spamhaus", 1621, 0, 0, 0),
    "history/drop_normal_02_20260609T132345Z.txt": ("spamhaus", 1622, 0, 0, 0),
    "history/drop_normal_03_20260609T161545Z.txt": ("spamhaus", 1643, 0, 0, 0),
    "history/drop_normal_04_20260611T025243Z.txt": ("spamhaus", 1660, 0, 0, 0),
    "history/drop_normal_05_20260611T115252Z.txt": ("spamhaus", 1703, 0, 0, 1),
    **{f"history/dshield_turnover_0{i}_{at}.txt": ("dshield", 20, 0, 0, 0) for i, at in enumerate(
        "20250903T053644Z 20250903T064421Z 20250903T081651Z 20250903T103913Z 20250903T122516Z 20250903T211045Z 20250905T223643Z".split())},
}
RECORDED_REFUSED = {
    "firehol_feodo.ipset": "no entries", "firehol_sslbl.ipset": "no entries", "secops_asn_drop_EMPTY.txt": "no entries",
    "googlebot_2021_INVALID.json": "not valid JSON: line 2: a name in double quotes was expected",
    "crowdsec/stream_nothing.json": "JSON without addresses at a known place",
    "crowdsec/stream_startup.json": "a CrowdSec decision stream, which is no list",
    "history/WILD-BROKEN_20240506T221017Z_drop.txt": "not a list of addresses",
    "history/WILD-BROKEN_20240510T041121Z_drop.txt": "not a list of addresses",
    "history/WILD-BROKEN_20240516T200941Z_drop.txt": "JSON without addresses at a known place",
    "history/WILD-BROKEN_20251118T113627Z_dshield.txt": "not a list of addresses",
}
# Where RECORDED's entries are not the address-like tokens (IPv4 + CIDR, IPv6 + CIDR) that the manifest's scanner counts.
DIFFERENCES = {
    "atlassian_2026.json": "network and mask beside each cidr are tokens too: of IPv4 212 more, of IPv6 120",
    "bogon_mixed.txt": "one of 19 IPv6 tokens is ::ffff:0:0/96, the IPv4-mapped range: an error row",
    "dshield_block_2026.txt": "start and end of each of 20 rows are a token",
    "emule_ipfilter_dat_2024.dat": "both ends of each range are a token",
    "qbt_ipfilter_mixed.dat": "both ends of each range are a token",
    "p2p_plaintext_first20k.p2p": "the scanner counts ranges, as here: 19977",
}
# name: (format told, options, what is expected: (format, IPv4, IPv6, bad, duplicates, host bits, skipped) or the refusal)
OWN = [
    ("plain.txt", "auto", {}, ("plain", 1, 1, 0, 0, 0, 0)), ("range.txt", "auto", {}, ("plain", 1, 1, 0, 0, 0, 0)),
    ("strict.txt", "plain", {}, ("plain", 1, 1, 8, 0, 1, 0)), ("strict.txt", "auto", {}, "not a list of addresses"),
    ("bom_crlf.txt", "auto", {}, ("plain", 2, 0, 0, 0, 0, 0)),
    ("firehol.netset", "auto", {}, ("netset", 3, 0, 0, 0, 0, 0)), ("firehol_cut.netset", "auto", {}, "cut short or altered: it says 3 entries and holds 2"),
    ("firehol_cut.netset", "plain", {}, ("plain", 2, 0, 0, 0, 0, 0)),
    ("drop.txt", "auto", {}, ("spamhaus", 2, 0, 0, 0, 0, 0)), ("tor.txt", "auto", {}, ("tor", 2, 1, 0, 0, 0, 0)),
    ("ipsum.txt", "auto", {}, ("ipsum", 3, 0, 0, 0, 0, 0)), ("ipsum.txt", "ipsum", {"threshold": "3"}, ("ipsum", 2, 0, 0, 0, 0, 1)),
    ("ipsum.txt", "ipsum", {"threshold": "11"}, "no entries: all were left out by threshold, country, type or end"),
    ("dshield.txt", "auto", {}, ("dshield", 2, 0, 1, 0, 0, 0)),
    ("feodo.csv", "auto", {}, ("abuse-ch", 2, 0, 0, 0, 0, 0)), ("feodo_cut.csv", "auto", {}, "cut short: its END line is missing"),
    ("feodo_short.csv", "auto", {}, "cut short or altered: it says 3 entries and holds 2"), ("sslbl.csv", "auto", {}, ("abuse-ch", 2, 0, 0, 0, 0, 0)),
    ("sslbl_ips.txt", "auto", {}, ("plain", 2, 0, 0, 0, 0, 0)),
    ("feodo.csv", "csv", {"column": "2"}, ("csv", 2, 0, 0, 0, 0, 0)), ("feodo.csv", "csv", {"column": "dst_ip"}, ("csv", 2, 0, 0, 0, 0, 0)),
    ("feodo.csv", "csv", {"column": "source"}, "no column named source in the header"),
    ("feodo.csv", "csv", {"column": "3"}, "no entries"),
    ("table.csv", "auto", {}, "a table of no known kind; column 3 holds addresses: if they are the ones meant, give format: csv, column: 3 and separator: ;"),
    ("table.csv", "csv", {"column": "3", "separator": ";"}, ("csv", 2, 1, 1, 0, 0, 0)),
    ("table.csv", "csv", {"column": "address", "separator": ";"}, ("csv", 2, 1, 1, 0, 0, 0)),
    ("geofeed.csv", "auto", {}, ("geofeed", 3, 1, 0, 0, 0, 0)), ("geofeed.csv", "geofeed", {"country": "DE"}, ("geofeed", 1, 1, 0, 0, 0, 2)),
    ("maxmind.csv", "auto", {}, "MaxMind's country blocks: give format: maxmind and country: CODES"),
    ("maxmind.csv", "maxmind", {"country": "DE"}, ("maxmind", 2, 1, 0, 0, 0, 2)), ("maxmind.csv", "maxmind", {"country": "at, US"}, ("maxmind", 2, 0, 0, 0, 0, 3)),
    ("maxmind_all.csv", "maxmind", {"country": "DE"}, ("maxmind", 1, 1, 0, 0, 0, 1)), ("maxmind_all.csv", "maxmind", {"country": "AT, DE"}, ("maxmind", 2, 1, 0, 0, 0, 0)),
    ("maxmind_other.csv", "maxmind", {"country": "AT"}, "its locations have another number for country AT than GeoNames"),
    ("maxmind_other.csv", "maxmind", {"country": "DE"}, ("maxmind", 1, 1, 0, 0, 0, 1)),
    ("list.p2p", "p2p", {}, ("p2p", 2, 0, 1, 0, 0, 0)), ("list.p2p", "auto", {}, ("p2p", 2, 0, 1, 0, 0, 0)),
    ("half.p2p", "auto", {}, "not a list of addresses"), ("half.p2p", "p2p", {}, ("p2p", 2, 0, 3, 0, 0, 0)),
    ("quotes.csv", "csv", {"column": "2"}, ("csv", 3, 0, 0, 0, 0, 0)),
    ("ipfilter.dat", "dat", {}, ("dat", 2, 0, 2, 0, 0, 1)), ("everything.dat", "auto", {}, ("dat", 1, 0, 1, 0, 0, 0)),
    ("aws.json", "auto", {}, ("aws", 2, 1, 0, 1, 0, 0)), ("aws_ipset.json", "auto", {}, ("aws-ipset", 2, 0, 0, 0, 1, 0)),
    ("google.json", "auto", {}, ("google", 1, 1, 0, 0, 0, 0)), ("github.json", "auto", {}, ("github", 3, 1, 0, 1, 0, 0)),
    ("cloudflare.json", "auto", {}, ("cloudflare", 1, 1, 0, 0, 0, 0)), ("atlassian.json", "auto", {}, ("atlassian", 1, 1, 0, 0, 0, 0)),
    ("misp.json", "auto", {}, ("misp", 1, 1, 0, 0, 0, 0)), ("misp_names.json", "auto", {}, "a MISP warninglist that is not of addresses"),
    ("abuseipdb.json", "auto", {}, ("abuseipdb", 1, 1, 0, 0, 0, 0)), ("drop_v4.json", "auto", {}, ("spamhaus-json", 2, 0, 0, 0, 0, 0)),
    ("drop_v4_cut.json", "auto", {}, "cut short: its last line, the metadata, is missing"),
    ("drop_v4_short.json", "auto", {}, "cut short or altered: it says 3 entries and holds 2"),
    ("drop_v4.json", "ndjson", {"select": "cidr"}, ("ndjson", 2, 0, 0, 0, 0, 0)),
    ("crowdsec.json", "auto", {}, ("crowdsec", 2, 1, 0, 0, 0, 2)), ("crowdsec_ended.json", "auto", {}, ("crowdsec", 1, 1, 0, 0, 0, 2)), ("rir.json", "auto", {}, ("rir", 1, 1, 0, 0, 0, 0)),
    ("array.json", "auto", {}, ("json", 2, 1, 2, 0, 0, 0)), ("feodo.json", "auto", {}, ("json", 2, 0, 0, 0, 0, 0)),
    ("unknown.json", "auto", {}, "JSON of no known kind; addresses stand at servers[].addr.v4: if they are the ones meant, give format: json and select: servers[].addr.v4"),
    ("unknown.json", "json", {"select": "servers[].addr.v4"}, ("json", 2, 0, 0, 0, 0, 0)), ("unknown.json", "json", {"select": "servers[].*.v4"}, ("json", 2, 0, 0, 0, 0, 0)),
    ("unknown.json", "json", {"select": "servers[].addr"}, "no entries"),
    ("unknown.ndjson", "auto", {}, "JSON of no known kind; addresses stand at ip: if they are the ones meant, give format: ndjson and select: ip"),
    ("unknown.ndjson", "ndjson", {"select": "ip"}, ("ndjson", 1, 1, 0, 0, 0, 0)),
    ("unknown.ndjson", "json", {"select": "ip"}, "not valid JSON: line 2: something behind the end of the value"),
    ("stream.json", "auto", {}, "a CrowdSec decision stream, which is no list"), ("broken.json", "auto", {}, "not valid JSON: line 1: a value was expected"),
    ("broken.json", "aws", {}, "not valid JSON: line 1: a value was expected"), ("bare.json", "auto", {}, "not valid JSON: line 2: a name in double quotes was expected"),
    ("cut.json", "auto", {}, "not valid JSON: line 1: cut short"), ("deep.json", "auto", {}, "not valid JSON: line 1: nested more than 32 deep"),
    ("utf8.json", "misp", {}, "not valid JSON: line 1: bytes that are not UTF-8"), ("page.html", "auto", {}, "an HTML page, not a list"),
    ("page.html", "plain", {}, "an HTML page, not a list"), ("utf16.txt", "auto", {}, "UTF-16 text"), ("nul.txt", "plain", {}, "NUL bytes: not a text"),
    ("aws.json", "plain", {}, "JSON, not the format that was given"), ("plain.txt", "json", {"select": "x"}, "not valid JSON: line 1: a value was expected"),
    ("empty.txt", "auto", {}, "no entries"), ("comments.txt", "auto", {}, "no entries"), ("comments.txt", "netset", {}, "no entries"),
    ("error_code.txt", "auto", {}, "not a list of addresses"), ("error_code.txt", "plain", {}, "no entries"),
]


TWENTY = "".join(f"192.0.2.{i}\n" for i in range(20))
SURE = "not a list of addresses for sure"
FIREHOL = "# own\n# ipv4 hash:net ipset\n# Entries         : 2 subnets, 512 unique IPs\n192.0.2.0/24\n"
SSLBL = "# abuse.ch SSLBL Botnet C2 IP Blacklist (CSV)\n# Firstseen,DstIP,DstPort\n2026-01-01,192.0.2.1,443\n"
DROP = '{"cidr":"192.0.2.0/24"}\n{"type":"metadata","records":%d}\n'
PLACES = "JSON of no known kind; addresses stand at {}: if all are meant, give format: {} and select: "
# Small bodies, always as auto but where the row says otherwise: (body, format told, options, what is expected as in OWN)
SMALL = {
    "error page": ("Your address is blocked for too many requests:\n203.0.113.5\n", "auto", {}, SURE),
    "short error page": ("Denied\n203.0.113.5\n", "auto", {}, SURE),
    "as many words": ("".join(f"192.0.2.{i}\nfoo bar {i}\n" for i in range(20)), "auto", {}, SURE),
    "a ninth": ("".join(f"192.0.2.{i}\n" for i in range(9)) + "x\n", "auto", {}, ("plain", 9, 0, 1, 0, 0, 0)),
    "less than nine in ten": ("".join(f"192.0.2.{i}\n" for i in range(8)) + "x\n", "auto", {}, SURE),
    "a sentence": (TWENTY + "You have been blocked.\n", "auto", {}, "a few addresses and a sentence"),
    "two words": (TWENTY + "IP address\n", "auto", {}, ("plain", 20, 0, 1, 0, 0, 0)),
    "a sentence as a comment": ("# You have been blocked.\n" + TWENTY, "auto", {}, ("plain", 20, 0, 0, 0, 0, 0)),
    "a sentence in a long list": (TWENTY * 5 + "You have been blocked.\n", "auto", {}, ("plain", 100, 0, 1, 80, 0, 0)),
    "a sentence that was told": (TWENTY + "You have been blocked.\n", "plain", {}, ("plain", 20, 0, 1, 0, 0, 0)),
    "network and length": ("192.0.2.0 24\n198.51.0.0 16\n", "auto", {}, "lines of a network and a number, which may be its size"),
    "network and size": ("192.0.2.0\t256\n198.51.100.0\t256\n", "auto", {}, "lines of a network and a number, which may be its size"),
    "small network and length": ("192.0.2.16 28\n198.51.100.64 26\n", "auto", {}, "lines of a network and a number, which may be its size"),
    "network and length of IPv6": ("2001:db8:: 32\n2001:db9:: 48\n", "auto", {}, "lines of a network and a number, which may be its size"),
    "network and length that were told": ("192.0.2.0 24\n198.51.0.0 16\n", "ipsum", {}, ("ipsum", 2, 0, 0, 0, 0, 0)),
    "counts": ("192.0.2.17 28\n198.51.100.65 26\n2001:db8::1 3\n", "auto", {}, ("ipsum", 2, 1, 0, 0, 0, 0)),
    "a network among counts": ("".join(f"192.0.2.{i} 3\n" for i in range(10)), "auto", {}, ("ipsum", 10, 0, 0, 0, 0, 0)),
    "start;end": ("192.0.2.0;192.0.2.255;AU\n198.51.100.0;198.51.100.255;CN\n", "auto", {}, "two addresses a line with ; between"),
    "start ; end": ("192.0.2.0 ; 192.0.2.255\n198.51.100.0 ; 198.51.100.255\n", "auto", {}, "two addresses a line with ; between"),
    "address;why": ("192.0.2.1;SBL 1\n198.51.100.0/24 ; 2 of 192.0.2.1\n", "auto", {}, ("plain", 2, 0, 0, 0, 0, 0)),
    "exception": ("!192.0.2.5\n192.0.2.0/24\n", "auto", {}, "lines with ! before an address, which are exceptions"),
    "an exception in many": (TWENTY + "!192.0.2.5 # ours\n", "auto", {}, "lines with ! before an address, which are exceptions"),
    "exception that was told": ("!192.0.2.5\n192.0.2.0/24\n198.51.100.1\n", "plain", {}, ("plain", 2, 0, 1, 0, 0, 0)),
    "an empty field before tab": ("\t192.0.2.1\t198.51.100.1\nx\t192.0.2.2\t198.51.100.2\n", "csv", {"column": "2", "separator": "tab"}, ("csv", 2, 0, 0, 0, 0, 0)),
    "an empty address before tab": ("\t192.0.2.1\nx\t192.0.2.2\n", "csv", {"column": "1", "separator": "tab"}, "no entries; line 1: no such column"),
    "an empty field before ;": (";192.0.2.1\nx;192.0.2.2\n", "csv", {"column": "2", "separator": ";"}, ("csv", 2, 0, 0, 0, 0, 0)),
    "a comment with ;": (";192.0.2.1\nx,192.0.2.2\n", "csv", {"column": "2"}, ("csv", 1, 0, 0, 0, 0, 0)),
    "rows with #": ("#1,192.0.2.1\n#2,192.0.2.2\n3,192.0.2.3\n", "csv", {"column": "2"}, ("csv", 1, 0, 2, 0, 0, 0)),
    "rows with # in the column": ("# 192.0.2.1,x\n192.0.2.3,y\n# see 192.0.2.1,z\n", "csv", {"column": "1"}, ("csv", 1, 0, 1, 0, 0, 0)),
    "rows with # by name": ("#n,ip\n#2,192.0.2.2\n3,192.0.2.3\n", "csv", {"column": "ip"}, ("csv", 1, 0, 1, 0, 0, 0)),
    "header with a dot": ("ip.address,x\n192.0.2.1,y\n", "csv", {"column": "1"}, ("csv", 1, 0, 0, 0, 0, 0)),
    "no header": ("a1.example.net,x\n192.0.2.1,y\n", "csv", {"column": "1"}, ("csv", 1, 0, 1, 0, 0, 0)),
    "p2p name with #": ("#1 Org:192.0.2.0-192.0.2.255\n# 2: a-b\nB:198.51.100.0-198.51.100.1\n", "p2p", {}, ("p2p", 1, 0, 1, 0, 0, 0)),
    "FireHOL's": (FIREHOL + "198.51.100.0/24\n", "auto", {}, ("netset", 2, 0, 0, 0, 0, 0)),
    "FireHOL's, one network wider": (FIREHOL + "198.0.0.0/8\n", "auto", {}, "altered: it says 512 addresses and holds 16777472"),
    "FireHOL's, one inside another": (FIREHOL.replace("512", "256") + "192.0.2.7\n", "auto", {}, ("netset", 2, 0, 0, 0, 0, 0)),
    "FireHOL's of 2,000": (FIREHOL.replace(": 2 ", ": 2,000 "), "auto", {}, "not sure to be whole: FireHOL's header without a number"),
    "FireHOL's without Entries": (re.sub("# Entries.*\n", "", FIREHOL), "auto", {}, "not sure to be whole: FireHOL's header without a number"),
    "FireHOL's twice": ((FIREHOL + "198.51.100.0/24\n") * 2, "auto", {}, "two lists in one"),
    "Entries in words": ("# Entries : many\n192.0.2.0/24\n", "netset", {}, ("netset", 1, 0, 0, 0, 0, 0)),
    "no FireHOL's": ("# mine: all\n192.0.2.0/24\n", "netset", {}, ("netset", 1, 0, 0, 0, 0, 0)),
    "SSLBL": (SSLBL + "# Number of entries: 1\n", "auto", {}, ("abuse-ch", 1, 0, 0, 0, 0, 0)),
    "SSLBL cut": (SSLBL, "auto", {}, "cut short: its END line is missing"),
    "SSLBL with a count of 20 digits": (SSLBL.replace("SSLBL", "SSL") + "# Number of entries: 55555555555555555555\n", "abuse-ch", {}, "cut short or altered: it says "),
    "SSLBL twice": ((SSLBL + "# Number of entries: 2\n") * 2, "auto", {}, "two lists in one"),
    "two metadata lines": (DROP % 5 + DROP % 2, "auto", {}, "two lists in one: it says twice how many entries it holds"),
    "one metadata line": (DROP % 1, "auto", {}, ("spamhaus-json", 1, 0, 0, 0, 0, 0)),
    "Cloudflare failed": ('{"result":{"ipv4_cidrs":["192.0.2.0/24"]},"success":false}', "auto", {}, "Cloudflare's API says that it failed"),
    "Cloudflare failed first": ('{"success":"no","result":{"ipv4_cidrs":["192.0.2.0/24"]}}', "cloudflare", {}, "Cloudflare's API says that it failed"),
    "Cloudflare": ('{"success":true,"result":{"ipv4_cidrs":["192.0.2.0/24"]}}', "auto", {}, ("cloudflare", 1, 0, 0, 0, 0, 0)),
    "list without type": ('{"message":"blocked","list":["203.0.113.77"]}', "auto", {}, "no MISP warninglist: it has no type"),
    "list with a type": ('{"type":"cidr","list":["203.0.113.77"]}', "auto", {}, ("misp", 1, 0, 0, 0, 0, 0)),
    "list of another type": ('{"type":"error","list":["203.0.113.77"]}', "auto", {}, "a MISP warninglist that is not of addresses"),
    "list that was told": ('{"message":"blocked","list":["203.0.113.77"]}', "json", {"select": "list[]"}, ("json", 1, 0, 0, 0, 0, 0)),
    "addresses of an error": ('{"error":"blocked","addresses":["203.0.113.77"]}', "auto", {}, "JSON of no known kind; addresses stand at addresses[]"),
    "AWS WAF's managed keys": ('{"ManagedKeysIPV4":{"Addresses":["203.0.113.0/24","198.51.100.1"]},"ManagedKeysIPV6":{"Addresses":["2001:db8::/32"]}}', "auto", {},
                               PLACES.format("2 places", "json") + "ManagedKeysIPV4.Addresses[],ManagedKeysIPV6.Addresses[]"),
    "a place of two more that has no name": ('{"a b":["192.0.2.1"],"c,d":["192.0.2.2"],"e":["192.0.2.3"]}', "auto", {}, PLACES.format("1 place, and others without room here", "json") + "e"),
    "places of lines": ('{"src":"192.0.2.1","n":1}\n{"dst":"192.0.2.2"}\n', "auto", {}, PLACES.format("2 places", "ndjson") + "src,dst"),
    "more places than are named": (json.dumps({f"place-{i}": [f"192.0.2.{i}"] for i in range(40)}), "auto", {},
                                   PLACES.format("9 places, and others without room here", "json") + ",".join(f"place-{i}[]" for i in range(9))),
    "places behind the first 64 KiB": (json.dumps({"v4": ["192.0.2.1"], "pad": "x" * 70000, "v6": ["2001:db8::1"]}), "auto", {}, PLACES.format("1 place of its first 64 KiB", "json") + "v4[]"),
    "decisions by their end": (json.dumps([{"value": f"192.0.2.{i}", "duration": duration} for i, duration in enumerate(
        ("3h51m57.4s", "-1h", "0", "-17h44m25s", "1s", "0s", "-0.5s", "2d", "soon", "", "-", "-" + "9" * 30 + "h", None, 3, "0.001s"))]), "crowdsec", {}, ("crowdsec", 10, 0, 0, 0, 0, 5)),
    "an end is of its own decision": ('[{"duration":"-1h","value":"192.0.2.1"},{"value":"192.0.2.2"},{"value":"192.0.2.3","duration":"1h"}]', "auto", {}, ("crowdsec", 2, 0, 0, 0, 0, 1)),
    "decisions that are all over": ('[{"value":"192.0.2.1","duration":"-1h"}]', "auto", {}, "no entries: all were left out by threshold, country, type or end"),
    "Fastly's": ('{"addresses":["203.0.113.0/24"],"ipv6_addresses":["2001:db8::/32"]}', "auto", {}, ("json", 1, 1, 0, 0, 0, 0)),
}


def said(path, kind="auto", chunk=65536, **options):
    """What the parser makes of a file: its words a line, or ["refused WHY"]."""
    done = subprocess.run([BUILD / "bench/feeds", "parse", kind, str(chunk), path, *(f"{k}={v}" for k, v in options.items())], capture_output=True)
    assert done.returncode in (0, 1) and not done.stderr, done
    return done.stdout.decode("utf-8", "replace").splitlines()


def told(lines):
    """(fields, prefixes); fields is the refusal's text where it was refused."""
    if lines[0].startswith("refused "):
        return lines[0][8:], []
    return dict(line.split(" ", 1) for line in lines[:9]), [line[7:] for line in lines[9:] if line.startswith("prefix ")]


def agrees(path, kind, **options):
    """The parser and the reference say the same of @path read as @kind; returns the fields, or the refusal."""
    fields, prefixes = told(said(path, kind, **options))
    why = feed_reference.difference(fields, prefixes, path.read_bytes(), kind, **options)
    assert not why, (path.name, kind, why)
    return fields


@pytest.mark.parametrize("name, kind, options, want", OWN, ids=[f"{row[0]}-{row[1]}-{'-'.join(row[2].values())}" for row in OWN])
def test_own_files(name, kind, options, want):
    whole = said(GOLDEN / name, kind, **options)
    assert said(GOLDEN / name, kind, 1, **options) == said(GOLDEN / name, kind, 7, **options) == whole
    fields, _ = told(whole)
    if isinstance(want, str):
        assert isinstance(fields, str) and fields.startswith(want), fields
        return
    assert (fields["format"], *(int(fields[key]) for key in ("entries4", "entries6", "errors", "duplicates", "host_bits", "skipped"))) == want
    agrees(GOLDEN / name, "json" if kind == "auto" and want[0] == "json" else want[0],
           **(options or {"array.json": {"select": "[]"}, "feodo.json": {"select": "[].ip_address"}}.get(name, {})))


@pytest.mark.parametrize("name", SMALL)
def test_small_bodies(name, tmp_path):
    body, kind, options, want = SMALL[name]
    path = tmp_path / "list"
    path.write_bytes(body.encode())
    whole = said(path, kind, **options)
    assert said(path, kind, 1, **options) == whole
    fields, _ = told(whole)
    if isinstance(want, str):
        assert isinstance(fields, str) and fields.startswith(want), fields
        return
    assert (fields["format"], *(int(fields[key]) for key in ("entries4", "entries6", "errors", "duplicates", "host_bits", "skipped"))) == want
    if want[0] != "json" or options:
        agrees(path, want[0], **options)


def test_chunks_do_not_matter(tmp_path):
    """Behind more empty lines than the parser keeps to look at first, so that each chunk goes through the grammar itself."""
    for name, kind, options, want in OWN:
        kind = want[0] if kind == "auto" and not isinstance(want, str) else kind
        if kind in ("json", "auto") and not options:
            continue  # the recorded files are long enough for these
        (tmp_path / name).write_bytes(b"\n" * 1500 + (GOLDEN / name).read_bytes().removeprefix(b"\xef\xbb\xbf"))
        whole = said(tmp_path / name, kind, **options)
        for chunk in (1, 2, 3, 5, 1024):
            assert said(tmp_path / name, kind, chunk, **options) == whole, (name, kind, chunk)


def test_every_own_file_has_a_row():
    assert {row[0] for row in OWN} == {path.name for path in GOLDEN.iterdir()}


def need_recorded():
    if not (OPEN / "akamai_v4.txt").exists():
        pytest.skip("the recorded lists are not beside the tree (SEKISHO_SHARED): the files of tests/golden stand for them")


SELECTS = {"cdn77_2026.json": "prefixes[].prefix", "ovh_2026.json": "IPv4Prefixes[],IPv6Prefixes[]", "zscaler.json": "hubPrefixes[]"}


def test_recorded_files():
    need_recorded()
    assert set(RECORDED) | set(RECORDED_REFUSED) == {str(path.relative_to(OPEN)) for path in OPEN.rglob("*") if path.is_file()}
    for name, want in RECORDED.items():
        lines = said(OPEN / name)
        fields, _ = told(lines)
        assert not isinstance(fields, str), (name, fields)
        assert (fields["format"], *(int(fields[key]) for key in ("entries4", "entries6", "errors", "duplicates"))) == want, name
        assert said(OPEN / name, "auto", 1) == lines, name
        agrees(OPEN / name, want[0], **({"select": SELECTS[name]} if name in SELECTS else {}))


def test_recorded_broken_files_are_refused():
    need_recorded()
    for name, why in RECORDED_REFUSED.items():
        fields, _ = told(said(OPEN / name))
        assert isinstance(fields, str) and fields.startswith(why), (name, fields)
        assert said(OPEN / name, "auto", 1) == said(OPEN / name)


def test_recorded_counts_are_the_manifests():
    need_recorded()
    rows = [[cell.strip() for cell in line.split("|")] for line in (OPEN.parent / "MANIFEST.md").read_text().splitlines() if line.startswith("| open |")]
    seen = {row[2]: (int(row[6]) + int(row[7]), int(row[8]) + int(row[9])) for row in rows if row[6].isdigit() and row[2] in RECORDED}
    assert len(seen) > 50
    differ = {name for name, tokens in seen.items() if tokens != RECORDED[name][1:3]}
    assert differ == set(DIFFERENCES) - {"p2p_plaintext_first20k.p2p"}


@pytest.mark.parametrize("folder", ["golden", "recorded"])
def test_every_file_as_every_format(folder):
    """Right or refused: a port, a date, a count or an AS number is never an address, whatever format was given by mistake."""
    if folder == "recorded":
        need_recorded()
    files = sorted(GOLDEN.iterdir()) if folder == "golden" else [OPEN / name for name in RECORDED if (OPEN / name).stat().st_size < 60000]
    options = {"csv": {"column": "2"}, "maxmind": {"country": "DE"}, "json": {"select": "a[].b"}, "ndjson": {"select": "cidr"}}
    taken = collections.Counter()
    for path in files:
        for kind in FORMATS:
            taken[isinstance(agrees(path, kind, **options.get(kind, {})), str)] += 1
    assert taken[False] > 20 and taken[True] > 200


def test_mutations_agree(tmp_path):
    """Lines swapped, cut, doubled and spoilt in our own files: the two readings still say the same."""
    for name, kind, options, want in OWN:
        dice = random.Random(f"{os.environ.get('SEKISHO_SEED', '')}{name}{kind}{options}")
        if isinstance(want, str) or kind == "auto" and want[0] == "json":
            continue
        body = (GOLDEN / name).read_bytes()
        for _ in range(15):
            at, n = dice.randrange(len(body)), dice.randrange(1, 9)
            spoilt = dice.choice([body[:at] + body[at + n:], body[:at] + body[at:at + n] * 2 + body[at + n:],
                                  body[:at] + dice.choice([b"0", b"1", b"-", b"/", b" ", b"x", b'"', b",", b"\n"]) + body[at + 1:], body[:at]])
            (tmp_path / "list").write_bytes(spoilt)
            try:
                agrees(tmp_path / "list", want[0], **options)
            except AssertionError:
                print(spoilt)
                raise


def test_feed_show_tells_what_was_recognised(lab, agent):
    """From the config through fetcher and engine to the command: the format, why, and options that reach the parser."""
    one = agent()
    for name, why in (("geofeed.csv", "lines of PREFIX,COUNTRY (RFC 8805)"), ("drop_v4.json", "Spamhaus DROP lines: addresses at cidr")):
        assert why in "\n".join(said(GOLDEN / name))
    lists = shutil.copytree(GOLDEN, one.dir / "golden")  # the tree may be where the fetcher's user cannot go
    one.write(f"""feeds:
  - {{name: auto, path: "{lists}/drop_v4.json"}}
  - {{name: some, path: "{lists}/geofeed.csv", format: geofeed, country: DE}}
  - {{name: table, path: "{lists}/table.csv", format: csv, column: address, separator: ";"}}
  - {{name: many, path: "{lists}/ipsum.txt", format: ipsum, threshold: 3}}
  - {{name: deep, path: "{lists}/unknown.json", format: json, select: "servers[].addr.v4"}}
  - {{name: land, path: "{lists}/maxmind.csv", format: maxmind, country: "DE, AT"}}
  - {{name: cut, path: "{lists}/drop_v4_cut.json"}}
""")
    one.start()
    one.cli("feed", "update", check=False)
    shown = {name: one.ask("feed", "show", name) for name in ("auto", "some", "table", "many", "deep", "land", "cut")}
    assert {name: (feed["format"], feed["format_why"], feed["entries"], feed["skipped"]) for name, feed in shown.items()} == {
        "auto": ("spamhaus-json", "Spamhaus DROP lines: addresses at cidr", 2, 0), "some": ("geofeed", "told by the config", 2, 2),
        "table": ("csv", "told by the config", 3, 0), "many": ("ipsum", "told by the config", 2, 1),
        "deep": ("json", "told by the config", 2, 0), "land": ("maxmind", "told by the config", 4, 1),
        "cut": ("auto", "not known: no list, or one that an earlier version read", 0, 0)}
    assert "cut short: its last line, the metadata, is missing" in shown["cut"]["error"]
    text = one.cli("feed", "show", "auto").stdout
    assert re.search(r"read as +spamhaus-json\n", text) and re.search(r"known by +Spamhaus DROP lines", text)
