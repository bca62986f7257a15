CREATE DATABASE IF NOT EXISTS curfew CHARACTER SET utf8mb4;
CREATE TABLE IF NOT EXISTS curfew.identity (
  id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
  version INT NOT NULL
) ENGINE = InnoDB;
INSERT INTO curfew.identity SELECT UUID(), 0 FROM (SELECT COUNT(*) AS n FROM curfew.identity) AS there WHERE n = 0;
CREATE TABLE IF NOT EXISTS curfew.marks (
  account VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
  mark VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
) ENGINE = InnoDB;
CREATE USER IF NOT EXISTS 'curfew_owner'@'localhost' ACCOUNT LOCK;
GRANT CREATE USER, CONNECTION ADMIN, PROCESS ON *.* TO 'curfew_owner'@'localhost';
GRANT SELECT, UPDATE ON mysql.* TO 'curfew_owner'@'localhost';
GRANT SELECT, INSERT, DELETE, EXECUTE ON curfew.* TO 'curfew_owner'@'localhost';
SET NAMES utf8mb4;
SET sql_mode = IF(VERSION() LIKE '%MariaDB%', 'STRICT_ALL_TABLES,NO_AUTO_CREATE_USER', 'STRICT_ALL_TABLES');
DELIMITER //

-- Runs one statement that was put together.
DROP PROCEDURE IF EXISTS curfew.run//
CREATE DEFINER = 'curfew_owner'@'localhost' PROCEDURE curfew.run(statement TEXT) SQL SECURITY INVOKER
BEGIN
  SET @curfew_statement = statement;
  PREPARE curfew_statement FROM @curfew_statement;
  EXECUTE curfew_statement;
  DEALLOCATE PREPARE curfew_statement;
END//

-- Gives an account one right: a role, or privileges on a database or a table of it.
DROP PROCEDURE IF EXISTS curfew.allow//
CREATE DEFINER = 'curfew_owner'@'localhost' PROCEDURE curfew.allow(who TEXT, entry JSON) SQL SECURITY INVOKER
BEGIN
  DECLARE role_name TEXT DEFAULT JSON_VALUE(entry, '$.role');
  DECLARE privileges TEXT DEFAULT JSON_VALUE(entry, '$.privileges');
  DECLARE place TEXT DEFAULT JSON_VALUE(entry, '$.database');
  DECLARE table_name TEXT DEFAULT JSON_VALUE(entry, '$.table');
  IF role_name IS NOT NULL THEN
    SET role_name = CONCAT('`', REPLACE(role_name, '`', '``'), '`');
    CALL curfew.run(CONCAT('GRANT ', role_name, ' TO ', who));
    CALL curfew.run(CONCAT('SET DEFAULT ROLE ', role_name, IF(VERSION() LIKE '%MariaDB%', ' FOR ', ' TO '), who));
  ELSE
    IF privileges NOT REGEXP '^[A-Z][A-Z ,]*$' OR privileges LIKE '%GRANT%' OR privileges LIKE '%ALL%' THEN
      SIGNAL SQLSTATE 'CF004' SET MESSAGE_TEXT = 'these privileges cannot be given';
    END IF;
    IF table_name IS NULL AND JSON_VALUE(entry, '$.pattern') = 1 THEN
      -- Without a table, GRANT takes the name of the database for a pattern.
      SET place = REPLACE(REPLACE(REPLACE(place, CHAR(92), CONCAT(CHAR(92), CHAR(92))), '_', CONCAT(CHAR(92), '_')), '%', CONCAT(CHAR(92), '%'));
    END IF;
    CALL curfew.run(CONCAT('GRANT ', privileges, ' ON `', REPLACE(place, '`', '``'), '`.',
      IF(table_name IS NULL, '*', CONCAT('`', REPLACE(table_name, '`', '``'), '`')), ' TO ', who));
  END IF;
END//

-- Makes an account, or gives the one that is there the same rights once more. It can log in once a password was issued.
DROP PROCEDURE IF EXISTS curfew.grant_account//
CREATE DEFINER = 'curfew_owner'@'localhost' PROCEDURE curfew.grant_account(
  system_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin,
  account VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin, account_mark VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin,
  account_host VARCHAR(255), rights JSON, tls INT, connections INT, password_hash TEXT, issue INT, act_by DECIMAL(20, 6)
) SQL SECURITY DEFINER
BEGIN
  -- Anybody may take a lock of any name, and queue for it: of this one nobody knows the name.
  DECLARE lock_name VARCHAR(64) DEFAULT CONCAT('curfew.', LEFT(SHA2(account_mark, 256), 48));
  DECLARE who TEXT DEFAULT CONCAT('`', account, '`@`', REPLACE(account_host, '`', '``'), '`');
  DECLARE known VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin DEFAULT account_mark;
  DECLARE identified TEXT DEFAULT IF(VERSION() LIKE '%MariaDB%',
    CONCAT(' IDENTIFIED VIA mysql_native_password USING ', QUOTE(password_hash)),
    CONCAT(' IDENTIFIED WITH caching_sha2_password AS 0x', HEX(password_hash)));
  DECLARE i INT DEFAULT 0;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION
  BEGIN
    DO RELEASE_LOCK(lock_name);
    RESIGNAL;
  END;
  IF NOT EXISTS (SELECT 1 FROM curfew.identity i WHERE i.id = system_id) THEN
    SIGNAL SQLSTATE 'CF003' SET MESSAGE_TEXT = 'this is another server than the one that was planned for';
  END IF;
  IF account NOT REGEXP '^c_[0-9a-z]{26}$' THEN
    SIGNAL SQLSTATE 'CF004' SET MESSAGE_TEXT = 'this is no name of an account of Curfew''s';
  END IF;
  IF COALESCE(GET_LOCK(lock_name, 2), 0) = 0 THEN
    SIGNAL SQLSTATE 'CF005' SET MESSAGE_TEXT = 'another call is at this account';
  END IF;
  IF UNIX_TIMESTAMP(SYSDATE(6)) > act_by THEN
    SIGNAL SQLSTATE 'CF001' SET MESSAGE_TEXT = 'the order came too late';
  END IF;
  INSERT IGNORE INTO curfew.marks (account, mark) VALUES (account, account_mark);
  SELECT m.mark INTO known FROM curfew.marks m WHERE m.account = account;
  IF known <> account_mark THEN
    SIGNAL SQLSTATE 'CF002' SET MESSAGE_TEXT = 'an account of this name bears another mark';
  END IF;
  CALL curfew.run(CONCAT('CREATE USER IF NOT EXISTS ', who, identified, IF(tls, ' REQUIRE SSL', ''),
    ' WITH MAX_USER_CONNECTIONS ', connections, ' ACCOUNT LOCK'));
  WHILE i < JSON_LENGTH(rights) DO
    CALL curfew.allow(who, JSON_EXTRACT(rights, CONCAT('$[', i, ']')));
    SET i = i + 1;
  END WHILE;
  IF issue THEN
    IF UNIX_TIMESTAMP(SYSDATE(6)) > act_by THEN
      SIGNAL SQLSTATE 'CF001' SET MESSAGE_TEXT = 'the order came too late';
    END IF;
    CALL curfew.run(CONCAT('ALTER USER ', who, identified, ' ACCOUNT UNLOCK'));
  END IF;
  DO RELEASE_LOCK(lock_name);
END//

-- Ends a session, unless it has ended by itself.
DROP PROCEDURE IF EXISTS curfew.end_session//
CREATE DEFINER = 'curfew_owner'@'localhost' PROCEDURE curfew.end_session(session_id BIGINT UNSIGNED) SQL SECURITY INVOKER
BEGIN
  DECLARE CONTINUE HANDLER FOR 1094 BEGIN END;
  KILL CONNECTION session_id;
END//

-- Drops an account, and with it all its rights, and ends its sessions. It answers with the IDs of those that it met; the mark
-- goes when it met none.
DROP PROCEDURE IF EXISTS curfew.revoke_account//
CREATE DEFINER = 'curfew_owner'@'localhost' PROCEDURE curfew.revoke_account(
  system_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin,
  account VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin, account_mark VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin
) SQL SECURITY DEFINER
BEGIN
  DECLARE lock_name VARCHAR(64) DEFAULT CONCAT('curfew.', LEFT(SHA2(account_mark, 256), 48)); -- as in grant_account
  DECLARE known VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin;
  DECLARE names TEXT;
  DECLARE sessions TEXT DEFAULT '';
  DECLARE session_id BIGINT UNSIGNED;
  DECLARE done INT DEFAULT 0;
  DECLARE open_sessions CURSOR FOR SELECT p.id FROM information_schema.processlist p WHERE p.user = account;
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION
  BEGIN
    DO RELEASE_LOCK(lock_name);
    RESIGNAL;
  END;
  IF NOT EXISTS (SELECT 1 FROM curfew.identity i WHERE i.id = system_id) THEN
    SIGNAL SQLSTATE 'CF003' SET MESSAGE_TEXT = 'this is another server than the one that was planned for';
  END IF;
  IF account NOT REGEXP '^c_[0-9a-z]{26}$' THEN
    SIGNAL SQLSTATE 'CF004' SET MESSAGE_TEXT = 'this is no name of an account of Curfew''s';
  END IF;
  IF COALESCE(GET_LOCK(lock_name, 2), 0) = 0 THEN
    -- No call keeps a removal waiting.
    SET session_id = IS_USED_LOCK(lock_name);
    IF session_id IS NOT NULL THEN
      SELECT COALESCE(MAX(p.id), '') INTO sessions FROM information_schema.processlist p WHERE p.id = session_id AND p.user = account;
      CALL curfew.end_session(session_id);
    END IF;
    IF COALESCE(GET_LOCK(lock_name, 2), 0) = 0 THEN
      SIGNAL SQLSTATE 'CF005' SET MESSAGE_TEXT = 'another call is at this account';
    END IF;
  END IF;
  SELECT m.mark INTO known FROM curfew.marks m WHERE m.account = account;
  IF known <> account_mark THEN
    SIGNAL SQLSTATE 'CF002' SET MESSAGE_TEXT = 'an account of this name bears another mark';
  END IF;
  SELECT GROUP_CONCAT('`', u.User, '`@`', REPLACE(u.Host, '`', '``'), '`') INTO names FROM mysql.user u WHERE u.User = account;
  IF names IS NOT NULL THEN
    CALL curfew.run(CONCAT('DROP USER IF EXISTS ', names));
  END IF;
  SET done = 0;
  OPEN open_sessions;
  next_session: LOOP
    FETCH open_sessions INTO session_id;
    IF done THEN
      LEAVE next_session;
    END IF;
    SET sessions = CONCAT_WS(' ', sessions, session_id);
    CALL curfew.end_session(session_id);
  END LOOP;
  CLOSE open_sessions;
  IF sessions = '' THEN
    DELETE m FROM curfew.marks m WHERE m.account = account;
  END IF;
  DO RELEASE_LOCK(lock_name);
  SELECT sessions;
END//

-- Shows what a role may do; without one, what can be handed on.
DROP PROCEDURE IF EXISTS curfew.show_rights//
CREATE DEFINER = 'curfew_owner'@'localhost' PROCEDURE curfew.show_rights(role_name TEXT) SQL SECURITY DEFINER
BEGIN
  CALL curfew.run(IF(role_name IS NULL, 'SHOW GRANTS FOR CURRENT_USER()', CONCAT('SHOW GRANTS FOR `', REPLACE(role_name, '`', '``'), '`')));
END//
DELIMITER ;
UPDATE curfew.identity SET version = 1;
