"""URLs that try to lead somewhere else than they seem to, and the rule that each of them breaks."""

_LABEL = "a" * 63

# Other ways to write addresses that are not public (inet_aton, RFC 3986, RFC 4291, RFC 5895).
DISGUISED_ADDRESSES = {
    **dict.fromkeys(
        (
            *("https://2130706433/", "https://0x7f000001/", "https://0X7F000001/", "https://017700000001/"),
            *("https://127.1/", "https://127.0.1/", "https://0x7f.1/", "https://0x7f.0x0.0x0.0x1/", "https://0177.1/"),
            *("https://0/", "https://0x0/", "https://00/", "https://10.1/", "https://167772161/", "https://0xa000001/"),
            *("https://192.168.257/", "https://3232235777/", "https://0xc0a80101/", "https://172.1048577/"),
            *("https://2852039166/", "https://0xa9fea9fe/", "https://169.254.43518/", "https://0xa9.0xfe.0xa9.0xfe/"),
            *("https://4294967295/", "https://0xffffffff/", "https://3758096385/", "https://1681915905/"),
            *("https://127.0.0.1./", "https://127.1./", "https://2130706433./", "https://0x7f000001./"),
            *("https://[::1]/", "https://[0:0:0:0:0:0:0:1]/", "https://[0000:0000::0001]/", "https://[::]/"),
            *("https://[::FFFF:127.0.0.1]/", "https://[0:0:0:0:0:ffff:7f00:0001]/", "https://[::ffff:a9fe:a9fe]/"),
            *("https://127\u30020\u30020\u30021/", "https://127\uff0e0\uff0e0\uff0e1/", "https://127\uff610\uff610\uff611/"),
            *("https://2130706433:8443/", "https://127.1:8443/hook?x=y"),
        ),
        "address",
    ),
    **dict.fromkeys(
        (
            *("https://0177.0.0.1/", "https://0300.0250.1.1/", "https://127.0.0.01/", "https://127.0.0.1.1/"),
            *("https://256.256.256.256/", "https://127.0.0.256/", "https://4294967296/", "https://0x100000000/"),
            *("https://1.2.3.4.5/", "https://127.0.0.0x/", "https://good.example.127/", "https://good.example.0x7f/"),
            *("https://127..0.0.1/", "https://.127.0.0.1/", "https://127.0.0.1../", "https://-127.0.0.1/"),
            *("https://[::1%25lo]/", "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[fe80::1%251]/"),
            *("https://[v1.127.0.0.1]/", "https://[127.0.0.1]/", "https://[localhost]/", "https://[:::1]/"),
            *("https://%31%32%37.0.0.1/", "https://127.0.0.1%2f.good.example/", "https://127%2e0%2e0%2e1/"),
            *("https://localhost%00.good.example/", "https://loc%61lhost/", "https://good.example%40127.0.0.1/"),
            *("https://127.0.0.1%23.good.example/", "https://127.0.0.1%3f.good.example/"),
            *("https://\uff11\uff12\uff17.0.0.1/", "https://\u2460\u2461\u2466.0.0.1/", "https://\u0661\u0662\u0667.0.0.1/"),
        ),
        "host",
    ),
}  # fmt: skip

DISGUISED_NAMES = {
    **dict.fromkeys(
        (
            *("https://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/", "https://\u2113ocalhost/"),
            "https://\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54/",
            "https://\U0001d425\U0001d428\U0001d41c\U0001d41a\U0001d425/",
            *("https://good.example\u2100127.0.0.1/", "https://good.example\uff03.evil.example/"),
            *("https://xn--\u2603/", "https://\u0300.example/", "https://a\u3002\u3002b/"),
            *(f"https://{_LABEL}a.example/", "https://" + ".".join([_LABEL] * 4) + "/"),
            "https://" + "a." * 127 + "aa/",
            *("https://bad..example/", "https://.example/", "https://-bad.example/", "https://bad-.example/"),
            *("https://good.example,127.0.0.1/", "https://good.example;127.0.0.1/", "https://good.example&127.0.0.1/"),
            *("https://$good.example/", "https://*.example/", "https://good!.example/", "https://'good'.example/"),
            *("https://", "https:///127.0.0.1/", "https:/127.0.0.1/", "https:127.0.0.1", "https://?127.0.0.1", "https://:443/"),
        ),
        "host",
    ),
    **dict.fromkeys(
        (
            *("https://local\u00adhost/", "https://127.0.0\u200b.1/", "https://local\u200dhost/", "https://\ufefflocalhost/"),
            *("https://local\u2060host/", "https://\u202ehost/", "https://good.example\u2028127.0.0.1/"),
            *("https://127.0.0.1\t/", "https://127.0.\n0.1/", "https://127.0.0.1\r/", "\thttps://127.0.0.1/"),
            *("https://127.0.0.1 .good.example/", " https://127.0.0.1/", "https://127.0.0.1\x00.good.example/"),
            *("https://good.example\u00a0/", "https://good.example/\u3000", "https://good.example/\x7f"),
            *("https:\\\\127.0.0.1\\", "https://good.example\\@127.0.0.1/", "https://127.0.0.1\\.good.example/"),
            *("https://good.example/\r\nHost: 127.0.0.1", "https://good.example\\\\127.0.0.1/"),
        ),
        "characters",
    ),
}  # fmt: skip

AUTHORITIES = {
    **dict.fromkeys(
        (
            *("https://good.example@127.0.0.1/", "https://good.example:443@127.0.0.1/", "https://127.0.0.1@good.example/"),
            *("https://user:password@good.example/", "https://@good.example/", "https://:@good.example/"),
            *("https://good.example@good.example@127.0.0.1/", "https://good.example%20@127.0.0.1/"),
            *("https://good.example;@127.0.0.1/", "https://good.example,x@127.0.0.1/", "https://[::1]@good.example/"),
            *("https://good.example@[::1]/", "https://good.example:80@[::ffff:7f00:1]:443/"),
            "https://good.example\uff0f@127.0.0.1/",
        ),
        "user_info",
    ),
    **dict.fromkeys(
        (
            *("https://good.example:0/", "https://good.example:65536/", "https://good.example:99999999999999999999/"),
            *("https://good.example:-443/", "https://good.example:+443/", "https://good.example:0x1bb/"),
            *("https://good.example:https/", "https://good.example:443:443/", "https://good.example:4_43/"),
            *("https://good.example:\uff14\uff14\uff13/", "https://good.example:443%2f/", "https://[::1/"),
            *("https://[::1]a/", "https://[::1].good.example/", "https://%5b::1%5d/"),
        ),
        "port",
    ),
    **dict.fromkeys(
        (
            *("https://good.example#@127.0.0.1/", "https://good.example/#", "https://good.example?x#y"),
            "https://good.example:443#.evil.example/",
        ),
        "fragment",
    ),
    **dict.fromkeys(
        (
            *("http://good.example/", "HTTP://good.example/", "ftp://good.example/", "file:///etc/passwd", "gopher://127.0.0.1:25/"),
            *("dict://127.0.0.1:11211/", "ldap://127.0.0.1/", "ws://good.example/", "wss://good.example/", "unix:///run/x.sock"),
            *("data:text/plain,hello", "javascript:alert(1)", "jar:https://good.example!/", "https+unix://good.example/"),
            *("//127.0.0.1/", "/hook", "good.example", "127.0.0.1:443/", "", "httpss://good.example/", "blob:https://x/"),
        ),
        "scheme",
    ),
    **dict.fromkeys(("https://good.example/" + "x" * 2028, "https://good.example/" + "x" * 30_000), "length"),
}  # fmt: skip

REFUSED = {**DISGUISED_ADDRESSES, **DISGUISED_NAMES, **AUTHORITIES}

# What looks like a trick, and is none: the host and port that must be asked for, whatever the rest says.
HARMLESS = {
    "https://good.example": ("good.example", 443),
    "HTTPS://GOOD.example/": ("good.example", 443),
    "https://good.example:/": ("good.example", 443),
    "https://good.example./": ("good.example.", 443),
    "https://good.example?@127.0.0.1/": ("good.example", 443),
    "https://good.example/@127.0.0.1/": ("good.example", 443),
    "https://good.example/https://127.0.0.1/": ("good.example", 443),
    "https://good.example/..//127.0.0.1/": ("good.example", 443),
    "https://good.example//127.0.0.1/": ("good.example", 443),
    "https://good.example?url=https://169.254.169.254/": ("good.example", 443),
    "https://good.example/%0d%0aHost:%20127.0.0.1": ("good.example", 443),
    "https://127.0.0.1.good.example/": ("127.0.0.1.good.example", 443),
    "https://b\u00fccher.example/": ("xn--bcher-kva.example", 443),
    "https://good\u3002example/": ("good.example", 443),
    "https://good.example:22/": ("good.example", 22),
    "https://good.example:25/": ("good.example", 25),
    "https://good.example:6379/": ("good.example", 6379),
    "https://good.example:65535/": ("good.example", 65535),
    "https://" + ".".join([_LABEL] * 3) + ".example/": (".".join([_LABEL] * 3) + ".example", 443),
}
