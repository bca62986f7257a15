-- What monitoring counts in a lane: grants by state, those past their deadline, those with a residual.

-- +goose Up

CREATE INDEX grants_counted ON grants (tenant, connector, state, deadline, residual_until) WHERE state <> 'ended';
