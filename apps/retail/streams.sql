-- A shop's line items as its tills report them: one row per article on an invoice.

CREATE STREAM purchases (
  invoice_no TEXT NOT NULL,            -- a "C" in front marks a cancellation
  stock_code TEXT NOT NULL,
  description TEXT,
  quantity INTEGER NOT NULL,           -- negative when articles come back or are written off
  invoice_date TIMESTAMPTZ NOT NULL,
  unit_price NUMERIC(12, 3) NOT NULL,
  customer_id TEXT,                    -- absent when the buyer was not known
  country TEXT NOT NULL,
  WATERMARK FOR invoice_date AS invoice_date - INTERVAL '1 hour'
) PARTITION BY (invoice_no);
