-- Payments by who has paid, as receipts name them: for the statement of a year.
CREATE INDEX payments_by_payer ON payments (creditor, payer_fiscal_code, paid_at)
    WHERE payer_fiscal_code IS NOT NULL;
