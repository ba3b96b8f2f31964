-- Bids for one auction of 123.
SELECT auction, price
FROM bid
WHERE MOD(auction, 123) = 0
