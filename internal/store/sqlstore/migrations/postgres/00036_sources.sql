-- The profiles of one source, which are read whole each time that it is.

-- +goose Up

CREATE INDEX profiles_issuer ON profiles (tenant, issuer, id);
