-- What a company has before Curfew comes, and what docs/connectors/mysql.md has Curfew's accounts be given.
CREATE DATABASE orders;
CREATE TABLE orders.orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, item TEXT NOT NULL);
INSERT INTO orders.orders VALUES (15, 'Ada', 'a kettle'), (16, 'Grace', 'nine moths'), (17, 'Edsger', 'a shortest path');
CREATE ROLE orders_read;
GRANT SELECT ON orders.* TO orders_read;
GRANT orders_read TO 'curfew_owner'@'localhost' WITH ADMIN OPTION;
GRANT PROCESS, SHOW DATABASES ON *.* TO 'curfew'@'%';
GRANT SELECT, EXECUTE ON curfew.* TO 'curfew'@'%';
GRANT SELECT (User, Host) ON mysql.user TO 'curfew'@'%';
GRANT PROCESS ON *.* TO 'curfew_observer'@'%';
GRANT SELECT ON curfew.* TO 'curfew_observer'@'%';
GRANT SELECT (User, Host) ON mysql.user TO 'curfew_observer'@'%';
