"""Calls of every function that has a Spark spelling, over columns of edge and random values."""

import datetime
import decimal
import random

UTC = datetime.timezone.utc

# Columns of stream facts; all but id and at may be NULL.
COLUMNS = {
    "id": "BIGINT NOT NULL", "at": "TIMESTAMPTZ NOT NULL", "k": "INTEGER NOT NULL", "b": "BOOLEAN",
    "i2": "SMALLINT", "i4": "INTEGER", "i8": "BIGINT", "f8": "DOUBLE PRECISION",
    "n": "NUMERIC(12, 3)", "m": "NUMERIC(9, 2)", "t": "TEXT", "u": "TEXT", "d": "DATE",
    "ts": "TIMESTAMPTZ",
}

EDGES = {
    "b": [True, False],
    "i2": [0, 1, -1, 7, 32767, -32768],
    "i4": [0, 1, -1, 10, -7, 2147483647, -2147483648],
    "i8": [0, 1, -1, 3, 1000003, 9223372036854775807, -9223372036854775808, 9007199254740993],
    "f8": [0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, 0.1, 1e-300, 1e300, 123456789.125, -2.345, 9.3e18, 4503599627370497.5],
    "n": ["0.000", "0.001", "-0.001", "1.000", "-2.500", "999999999.999", "-999999999.999", "2.345"],
    "m": ["0.00", "0.01", "-3.00", "7.50", "9999999.99", "-9999999.99", "0.33"],
    "t": ["", " ", "a", "A", "abc", "  padded ", "größe", "ÄÖÜ ß", "日本語", "🚗 car", "a,b,c", "x%y_z", "it's", "O\\n", "line\nbreak", "İstanbul", "ab cd", "12", "-7", "+5", " 8", "9999999999999999999", "a-b-c", "ﬁ"],
    "u": ["", "a", "b", "abc", "c", ",", "-", "ß", "🚗", " ", "xy"],
    "d": ["1970-01-01", "2024-02-29", "2000-02-29", "1900-03-01", "1969-12-31", "2026-12-31", "9999-12-31", "0100-01-01", "2027-01-01"],
    "ts": ["1970-01-01T00:00:00.000000Z", "2024-02-29T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z", "2026-01-01T00:00:00.000001Z", "1900-01-01T00:00:00.000000Z", "2026-03-29T01:30:00.500000Z", "2020-12-31T12:34:56.789012Z"],
}

# name: calls. Every function of docs/reference/functions.md with a Spark spelling has to be here.
CASES = {
    "coalesce": ["coalesce(i4, 5)", "coalesce(t, u, 'none')", "coalesce(n, 0.5)", "coalesce(ts, at)"],
    "nullif": ["nullif(i4, 0)", "nullif(t, u)", "nullif(b, true)"],
    "greatest": ["greatest(i4, 3)", "greatest(t, u)", "greatest(f8, 0.5)", "greatest(ts, at)"],
    "least": ["least(i4, 3)", "least(t, u)", "least(d, DATE '2000-01-01')"],
    "abs": ["abs(i4)", "abs(i8)", "abs(i2)", "abs(f8)"],
    "ceil": ["ceil(f8)"],
    "ceiling": ["ceiling(f8)"],
    "floor": ["floor(f8)"],
    "round": ["round(f8)"],
    "signum": ["signum(f8)"],
    "sign": ["sign(f8)"],
    "sqrt": ["sqrt(abs(f8))", "sqrt(f8)"],
    "cbrt": ["cbrt(f8)"],
    "power": ["power(abs(f8), 0.5::DOUBLE PRECISION)", "power(f8, 2::DOUBLE PRECISION)"],
    "pow": ["pow(abs(f8), 0.25::DOUBLE PRECISION)"],
    "exp": ["exp(i2::DOUBLE PRECISION / 100)"],
    "ln": ["ln(abs(f8) + 1)"],
    "log2": ["log2(abs(f8) + 1)"],
    "log10": ["log10(abs(f8) + 1)"],
    "sin": ["sin(i4::DOUBLE PRECISION)"], "cos": ["cos(i4::DOUBLE PRECISION)"],
    "tan": ["tan(i2::DOUBLE PRECISION)"], "cot": ["cot(i2::DOUBLE PRECISION + 0.5)"],
    "asin": ["asin(i2::DOUBLE PRECISION / 32768)"], "acos": ["acos(i2::DOUBLE PRECISION / 32768)"],
    "atan": ["atan(f8)"], "atan2": ["atan2(f8, i4::DOUBLE PRECISION)"],
    "sinh": ["sinh(i2::DOUBLE PRECISION / 100)"], "cosh": ["cosh(i2::DOUBLE PRECISION / 100)"],
    "tanh": ["tanh(f8)"],
    "degrees": ["degrees(f8)"], "radians": ["radians(f8)"], "pi": ["pi() + f8"],
    "factorial": ["factorial(abs(i8 % 25))", "factorial(i8 % 21)"],
    "isnan": ["isnan(f8)"], "nanvl": ["nanvl(f8, 1.5::DOUBLE PRECISION)"],
    "length": ["length(t)"], "char_length": ["char_length(t)"],
    "character_length": ["character_length(t || u)"],
    "octet_length": ["octet_length(t)"], "bit_length": ["bit_length(t)"],
    "lower": ["lower(t)"], "upper": ["upper(t)"], "initcap": ["initcap(t)"],
    "concat": ["concat(t, u)", "concat(t, 'x', u)"],
    "concat_ws": ["concat_ws('-', t, u, 'x')"],
    "substr": ["substr(t, 2)", "substr(t, 2, 3)", "substr(t, i4, 2)", "substr(t, 0, 2)", "substr(t, -1)"],
    "substring": ["substring(t, 2, 2)", "substring(t FROM 3)"],
    "left": ["left(t, 2)", "left(t, -1)", "left(t, 0)"],
    "right": ["right(t, 2)", "right(t, -1)", "right(t, 0)"],
    "trim": ["trim(t)", "trim(BOTH 'a' FROM t)"],
    "btrim": ["btrim(t)", "btrim(t, 'ab ')"],
    "ltrim": ["ltrim(t)", "ltrim(t, 'ab')"], "rtrim": ["rtrim(t)", "rtrim(t, 'cz')"],
    "lpad": ["lpad(t, 5)", "lpad(t, 5, 'xy')", "lpad(t, 2, 'x')", "lpad(t, 4, u)"],
    "rpad": ["rpad(t, 5)", "rpad(t, 5, 'xy')", "rpad(t, 4, u)"],
    "repeat": ["repeat(t, 3)", "repeat(t, 0)", "repeat(t, -1)"],
    "replace": ["replace(t, 'a', 'xx')", "replace(t, u, '_')"],
    "reverse": ["reverse(t)"],
    "split_part": ["split_part(t, ',', 2)", "split_part(t, '-', 1)", "split_part(t, u, 1)", "split_part(t, ',', -1)", "split_part(t, ',', 9)"],
    "strpos": ["strpos(t, 'b')", "strpos(t, u)"],
    "position": ["position('c' IN t)", "position(u IN t)"],
    "starts_with": ["starts_with(t, u)"], "ends_with": ["ends_with(t, u)"],
    "contains": ["contains(t, u)"],
    "translate": ["translate(t, 'abc', 'xy')", "translate(t, 'aß', 'bs')"],
    "overlay": ["overlay(t PLACING 'xx' FROM 2)", "overlay(t PLACING 'xx' FROM 2 FOR 1)"],
    "ascii": ["ascii(t)"],
    "levenshtein": ["levenshtein(t, u)"],
    "date_trunc": [f"date_trunc('{unit}', ts)" for unit in (
        "second", "minute", "hour", "day", "week", "month", "quarter", "year", "millisecond")],
    "date_part": [f"date_part('{unit}', ts)" for unit in (
        "year", "month", "day", "hour", "minute", "second", "week", "doy", "dow", "quarter", "epoch")]
        + [f"date_part('{unit}', d)" for unit in ("year", "month", "day", "week", "doy", "dow")],
    "extract": ["extract(year FROM ts)", "extract(hour FROM ts)", "extract(day FROM d)"],
    "to_timestamp_micros": ["to_timestamp_micros(i4::BIGINT)", "to_timestamp_micros(i4::BIGINT * 1000000)"],
    "to_timestamp_millis": ["to_timestamp_millis(i4::BIGINT)"],
    "to_timestamp_seconds": ["to_timestamp_seconds(i4::BIGINT)"],
    "to_unixtime": ["to_unixtime(ts)"],
    "make_date": ["make_date(2024, 2, 29)", "make_date(1 + abs(i4 % 9000), 1, 1)", "make_date(2000 + abs(i4 % 100), 1 + abs(i4 % 12), 1 + abs(i4 % 31))"],
    "row": [], "named_struct": [], "get_field": [],
    # Operators, conversions and forms: no functions, and as easily different.
    "+": ["i2 + i2", "i4 + 1", "i8 + i8", "f8 + 0.1::DOUBLE PRECISION", "n + m", "i4 + n", "i2 + i4"],
    "-": ["i4 - 1", "i8 - 1", "-i4", "-i8", "-f8", "-n", "n - m", "d - DATE '2000-01-01'"],
    "*": ["i2 * i2", "i4 * i4", "i8 * 3", "f8 * f8", "n * m", "i4 * n", "i8 * m"],
    "/": ["i4 / 3", "i4 / i2", "i8 / i8", "-7 / i2", "i2 / i2", "f8 / 3", "f8 / f8", "n / m", "m / n", "n / 7", "i4 / n"],
    "%": ["i4 % 3", "i8 % i4", "i4 % i2", "f8 % 3", "n % m", "m % n"],
    "bits": ["i4 & 6", "i8 | 5", "i4 # 3"],
    "=": ["i4 = i2", "t = u", "n > m", "f8 < 0.5", "ts >= at", "d < DATE '2000-01-01'", "b = true", "t < u", "i4 IS DISTINCT FROM i2", "t IS NOT DISTINCT FROM u", "i4 <> 10", "n = 2.345"],
    "and": ["b AND i4 > 0", "b OR i4 > 0", "NOT b", "b IS NULL", "t IS NOT NULL", "b IS TRUE", "b IS NOT FALSE", "i4 BETWEEN -1 AND 10", "i4 IN (1, 10, NULL)", "t NOT IN ('a', 'abc')", "t IN ('it''s', 'größe', 'O\\n')"],
    "like": ["t LIKE 'a%'", "t LIKE '%b_%'", "t NOT LIKE '_'", "t LIKE '%本%'", "t LIKE '%'", "t LIKE 'x%y!_z'"],
    "case": ["CASE WHEN i4 > 0 THEN 'p' WHEN i4 < 0 THEN 'n' ELSE t END", "CASE i4 WHEN 1 THEN 10 WHEN 10 THEN 1 END", "CASE WHEN i2 <> 0 THEN 100 / i2 ELSE 0 END"],
    "||": ["t || u", "t || '\\' || u", "i4 || t"],
    "cast": ["i8::INTEGER", "i4::SMALLINT", "i4::BIGINT", "i4::DOUBLE PRECISION", "i8::DOUBLE PRECISION", "i8::TEXT", "b::TEXT", "b::INTEGER", "n::INTEGER", "n::BIGINT", "n::NUMERIC(12, 1)", "n::NUMERIC(6, 3)", "n::DOUBLE PRECISION", "i4::NUMERIC(12, 2)", "i8::NUMERIC(12, 2)", "f8::INTEGER", "f8::REAL", "d::TIMESTAMPTZ", "ts::DATE", "d::TEXT", "TRY_CAST(i8 AS INTEGER)", "TRY_CAST(f8 AS INTEGER)", "TRY_CAST(i4 AS SMALLINT)"],
    "interval": ["ts + INTERVAL '90 minutes'", "ts - INTERVAL '1 day'", "ts + INTERVAL '1 month'", "ts - INTERVAL '13 months'", "ts + INTERVAL '0.000001 seconds'"],
}


def rows(count, seed):
    """Each edge value at least once, each column NULL now and then; event time goes up."""
    chance = random.Random(seed)
    begin = datetime.datetime(2026, 3, 1, 8, tzinfo=UTC)
    made = []
    for number in range(count):
        row = {"id": number, "k": chance.randrange(5)}
        row["at"] = text(begin + datetime.timedelta(seconds=7 * number, microseconds=chance.randrange(10**6)))
        for column, edges in EDGES.items():
            if number < len(edges):
                row[column] = edges[number]
            elif chance.random() < 0.15:
                row[column] = None
            elif chance.random() < 0.4:
                row[column] = chance.choice(edges)
            else:
                row[column] = value(chance, column)
        made.append(row)
    return made


def value(chance, column):
    if column == "b":
        return chance.random() < 0.5
    if column in ("i2", "i4", "i8"):
        bits = {"i2": 15, "i4": 31, "i8": 63}[column]
        return chance.randrange(-(2 ** chance.randrange(1, bits)), 2 ** chance.randrange(1, bits))
    if column == "f8":
        return chance.uniform(-1, 1) * 10 ** chance.randrange(-6, 9)
    if column in ("n", "m"):
        digits = {"n": 3, "m": 2}[column]
        return str(decimal.Decimal(chance.randrange(-(10**8), 10**8)).scaleb(-digits))
    if column in ("t", "u"):
        letters = "abcABC ,-_%1ßéğ日🚗'\\"
        return "".join(chance.choice(letters) for _ in range(chance.randrange(0, 9 if column == "t" else 3)))
    moment = datetime.datetime(1950, 1, 1, tzinfo=UTC) + datetime.timedelta(
        seconds=chance.randrange(0, 4 * 10**9), microseconds=chance.randrange(10**6))
    return text(moment)[:10] if column == "d" else text(moment)


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
