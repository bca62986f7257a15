-- Finding what lives on somebody's word, once something changed of them.

-- +goose Up

CREATE INDEX reviews_by_person ON reviews (tenant, person, request_id);
CREATE INDEX reviews_in_stead ON reviews (tenant, in_stead_issuer, in_stead_subject, request_id) WHERE in_stead_subject <> '';
