-- What a company has before Curfew comes: a database, and group roles that say what reading and writing mean.
CREATE TABLE orders (id integer PRIMARY KEY, customer text NOT NULL, item text NOT NULL);
INSERT INTO orders VALUES (15, 'Ada', 'a kettle'), (16, 'Grace', 'nine moths'), (17, 'Edsger', 'a shortest path');
CREATE ROLE orders_read NOLOGIN;
CREATE ROLE orders_write NOLOGIN;
GRANT SELECT ON orders TO orders_read;
GRANT INSERT, UPDATE, DELETE ON orders TO orders_write;
