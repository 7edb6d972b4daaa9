-- Payments as they are looked up by a portal: newest first, by child, by notice.
CREATE INDEX payments_by_age ON payments (creditor, id);
CREATE INDEX payments_by_debt ON payments (debt, id) WHERE debt IS NOT NULL;
