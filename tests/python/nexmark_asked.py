"""What Nexmark's queries are in DuckDB, over all events at once.

`bid`, `auction` and `person` have a column `n` more: the order in which events were sent. A window is
there once the watermark has passed its end: four seconds behind what is newest in its stream.
"""


def passed(stream):
    """What the watermark of a stream has come to."""
    return f"(SELECT max(date_time) - INTERVAL '4 seconds' FROM {stream})"


def tumbling(time):
    return f"time_bucket(INTERVAL '10 seconds', {time})"


WON = """SELECT a.*, b.n AS bid_n, b.auction, b.bidder, b.price, b.date_time AS bid_date_time, b.extra AS bid_extra
  FROM auction a JOIN bid b ON b.auction = a.id AND b.date_time BETWEEN a.date_time AND a.expires"""
WINNER = f"""SELECT * FROM ({WON})
  QUALIFY row_number() OVER (PARTITION BY id ORDER BY price DESC, bid_date_time, bid_n) = 1"""
# The most of each window is known when the next one is over, too: it is a window over windows.
HOPPING = f"""SELECT auction, starttime, count(*) AS num
  FROM (SELECT auction, time_bucket(INTERVAL '2 seconds', date_time) - before * INTERVAL '2 seconds' AS starttime
    FROM bid, range(5) AS windows(before))
  WHERE starttime + INTERVAL '12 seconds' <= {passed('bid')}
  GROUP BY auction, starttime"""
DAY = "strftime(date_time, '%Y-%m-%d')"
LOW, MIDDLE, HIGH = "price < 10000", "price >= 10000 AND price < 1000000", "price >= 1000000"
LEVELS = f"""count(*), count(*) FILTER (WHERE {LOW}), count(*) FILTER (WHERE {MIDDLE}),
  count(*) FILTER (WHERE {HIGH})"""
DIFFERENT = ", ".join(
    f"count(DISTINCT {of})" + (f" FILTER (WHERE {level})" if level else "")
    for of in ("bidder", "auction")
    for level in ("", LOW, MIDDLE, HIGH)
)

# The columns of each are those of the view, in their order.
ANSWERS = {
    "q0": "SELECT auction, bidder, price, date_time, extra FROM bid",
    "q1": "SELECT auction, bidder, 0.908::DOUBLE * price, date_time, extra FROM bid",
    "q2": "SELECT auction, price FROM bid WHERE auction % 123 = 0",
    "q3": """SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id
      WHERE a.category = 10 AND p.state IN ('or', 'id', 'ca')""",
    "q4": f"""SELECT category, avg(final) FROM (SELECT category, max(price) AS final FROM ({WON}) GROUP BY id, category)
      GROUP BY category""",
    "q5": f"""SELECT auction, num, starttime FROM ({HOPPING})
      QUALIFY num = max(num) OVER (PARTITION BY starttime)""",
    "q6": f"""SELECT seller, avg(price) FROM (SELECT seller, price FROM ({WINNER})
        QUALIFY row_number() OVER (PARTITION BY seller ORDER BY bid_date_time DESC, id DESC) <= 10)
      GROUP BY seller""",
    "q7": f"""SELECT auction, price, bidder, date_time FROM bid
      WHERE {tumbling('date_time')} + INTERVAL '10 seconds' <= {passed('bid')}
      QUALIFY price = max(price) OVER (PARTITION BY {tumbling('date_time')})""",
    "q8": f"""SELECT DISTINCT p.id, p.name, {tumbling('p.date_time')} FROM person p JOIN auction a
      ON a.seller = p.id AND {tumbling('a.date_time')} = {tumbling('p.date_time')}
      WHERE {tumbling('p.date_time')} + INTERVAL '10 seconds' <= least({passed('person')}, {passed('auction')})""",
    "q9": f"""SELECT id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra,
      auction, bidder, price, bid_date_time, bid_extra FROM ({WINNER})""",
    "q11": f"""SELECT bidder, count(*), min(date_time), max(date_time) + INTERVAL '10 seconds' AS endtime
      FROM (SELECT *, sum(opens) OVER (PARTITION BY bidder ORDER BY date_time, n) AS session
        FROM (SELECT *, CASE WHEN date_time - lag(date_time) OVER (PARTITION BY bidder ORDER BY date_time, n)
          < INTERVAL '10 seconds' THEN 0 ELSE 1 END AS opens FROM bid))
      GROUP BY bidder, session HAVING max(date_time) + INTERVAL '10 seconds' <= {passed('bid')}""",
    "q13": "SELECT auction, bidder, price, date_time, 'side-' || auction % 10000 FROM bid",
    "q15": f"SELECT {DAY}, {LEVELS}, {DIFFERENT} FROM bid GROUP BY {DAY}",
    "q16": f"""SELECT channel, {DAY}, strftime(max(date_time), '%H:%M'), {LEVELS}, {DIFFERENT} FROM bid
      GROUP BY channel, {DAY}""",
    "q17": f"""SELECT auction, {DAY}, {LEVELS}, min(price), max(price), avg(price), sum(price) FROM bid
      GROUP BY auction, {DAY}""",
    "q18": """SELECT auction, bidder, price, channel, url, date_time, extra FROM bid
      QUALIFY row_number() OVER (PARTITION BY bidder, auction ORDER BY date_time DESC, n DESC) = 1""",
    "q19": """SELECT auction, bidder, price, channel, url, date_time, extra,
        row_number() OVER (PARTITION BY auction ORDER BY price DESC, n) AS rank_number FROM bid
      QUALIFY rank_number <= 10""",
    "q20": """SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.date_time, b.extra, a.item_name, a.description,
        a.initial_bid, a.reserve, a.date_time, a.expires, a.seller, a.category, a.extra
      FROM bid b JOIN auction a ON a.id = b.auction WHERE a.category = 10""",
}

# The columns of each view, in the order of the answers.
COLUMNS = {
    "q0": "auction, bidder, price, date_time, extra",
    "q1": "auction, bidder, price, date_time, extra",
    "q2": "auction, price",
    "q3": "name, city, state, id",
    "q4": "category, mean",
    "q5": "auction, num, starttime",
    "q6": "seller, mean",
    "q7": "auction, price, bidder, date_time",
    "q8": "id, name, starttime",
    "q9": "id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra, "
    "auction, bidder, price, bid_date_time, bid_extra",
    "q11": "bidder, bid_count, starttime, endtime",
    "q13": "auction, bidder, price, date_time, value",
    "q15": "day, total_bids, rank1_bids, rank2_bids, rank3_bids, total_bidders, rank1_bidders, rank2_bidders, "
    "rank3_bidders, total_auctions, rank1_auctions, rank2_auctions, rank3_auctions",
    "q16": "channel, day, minute, total_bids, rank1_bids, rank2_bids, rank3_bids, total_bidders, rank1_bidders, "
    "rank2_bidders, rank3_bidders, total_auctions, rank1_auctions, rank2_auctions, rank3_auctions",
    "q17": "auction, day, total_bids, rank1_bids, rank2_bids, rank3_bids, min_price, max_price, avg_price, sum_price",
    "q18": "auction, bidder, price, channel, url, date_time, extra",
    "q19": "auction, bidder, price, channel, url, date_time, extra, rank_number",
    "q20": "auction, bidder, price, channel, url, bid_date_time, bid_extra, item_name, description, initial_bid, "
    "reserve, auction_date_time, expires, seller, category, auction_extra",
}
