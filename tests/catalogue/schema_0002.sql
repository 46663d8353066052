-- A catalogue of schema 0002, as text: schemes (structured, a tensor's), a run, quarantine.
BEGIN TRANSACTION;
CREATE TABLE bound_tables (
	version INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	loaded DATETIME NOT NULL, 
	CONSTRAINT pk_bound_tables PRIMARY KEY (version)
);
INSERT INTO "bound_tables" VALUES(1,'an old table','0000000000000000000000000000000000000000000000000000000000000000','2026-01-31 12:00:00.000000');
CREATE TABLE bounds (
	format VARCHAR(64) NOT NULL, 
	ring VARCHAR(2) NOT NULL, 
	version INTEGER NOT NULL, 
	value INTEGER NOT NULL, 
	source TEXT NOT NULL, 
	current BOOLEAN NOT NULL, 
	CONSTRAINT pk_bounds PRIMARY KEY (format, ring, version), 
	CONSTRAINT fk_bounds_version FOREIGN KEY(version) REFERENCES bound_tables (version)
);
INSERT INTO "bounds" VALUES('2x2x2','F2',1,7,'Winograd 1971',1);
CREATE TABLE factors (
	scheme_id INTEGER NOT NULL, 
	data BLOB NOT NULL, 
	CONSTRAINT pk_factors PRIMARY KEY (scheme_id), 
	CONSTRAINT fk_factors_scheme_id FOREIGN KEY(scheme_id) REFERENCES schemes (id) ON DELETE CASCADE
);
INSERT INTO "factors" VALUES(1,X'01135A89CA83C591C58139A000120002000100C1010080');
INSERT INTO "factors" VALUES(2,X'0013589ACA8359C1C58391A0');
INSERT INTO "factors" VALUES(3,X'002529048492050A0A00');
INSERT INTO "factors" VALUES(4,X'005A662940');
CREATE TABLE flipsearch_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT flipsearch_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "flipsearch_version" VALUES('0002');
CREATE TABLE provenance (
	id INTEGER NOT NULL, 
	scheme_id INTEGER NOT NULL, 
	digest VARCHAR(32) NOT NULL, 
	label TEXT NOT NULL, 
	run_id INTEGER, 
	seed VARCHAR(64), 
	task BIGINT, 
	parent VARCHAR(64), 
	lifted_from VARCHAR(64), 
	source TEXT, 
	method TEXT, 
	details JSON, 
	recorded DATETIME NOT NULL, 
	CONSTRAINT pk_provenance PRIMARY KEY (id), 
	CONSTRAINT uq_provenance_scheme_id_digest UNIQUE (scheme_id, digest), 
	CONSTRAINT fk_provenance_scheme_id FOREIGN KEY(scheme_id) REFERENCES schemes (id) ON DELETE CASCADE, 
	CONSTRAINT fk_provenance_run_id FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "provenance" VALUES(1,1,'b14b69e0a938b8a8e29ee73adfd82856','Strassen 1969',NULL,NULL,NULL,NULL,NULL,'Strassen 1969',NULL,NULL,'2026-01-31 12:00:00.000000');
INSERT INTO "provenance" VALUES(2,2,'074b53a3c83df4841947bb5f7cea1c3b','run 1 task 3 seed 12',1,'12',3,NULL,NULL,NULL,NULL,NULL,'2026-01-31 12:00:00.000000');
INSERT INTO "provenance" VALUES(3,3,'930b09196d24e0fbb3a911bf9f968b3b','naive',NULL,NULL,NULL,NULL,NULL,'naive',NULL,NULL,'2026-01-31 12:00:00.000000');
INSERT INTO "provenance" VALUES(4,4,'1f2c8315b6e12be8e7c121fd9664de7b','school',NULL,NULL,NULL,NULL,NULL,'school',NULL,'{"workers": "4", "survives": "0"}','2026-01-31 12:00:00.000000');
CREATE TABLE quarantine (
	id INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	run_id INTEGER, 
	source TEXT, 
	task JSON, 
	payload JSON, 
	recorded DATETIME NOT NULL, 
	CONSTRAINT pk_quarantine PRIMARY KEY (id), 
	CONSTRAINT fk_quarantine_run_id FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "quarantine" VALUES(1,'wrong',1,'worker 3','{"seed": 1}',NULL,'2026-01-31 12:00:00.000000');
CREATE TABLE runs (
	id INTEGER NOT NULL, 
	name VARCHAR(200), 
	format VARCHAR(64) NOT NULL, 
	ring VARCHAR(2) NOT NULL, 
	strategy VARCHAR(64) NOT NULL, 
	seed VARCHAR(64), 
	parameters JSON NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	started DATETIME NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	finished DATETIME, 
	flips BIGINT NOT NULL, 
	seconds DOUBLE NOT NULL, 
	best_rank INTEGER, 
	message TEXT, 
	checkpointed DATETIME, 
	checkpoint BLOB, process VARCHAR(300), 
	CONSTRAINT pk_runs PRIMARY KEY (id), 
	CONSTRAINT uq_runs_name UNIQUE (name)
);
INSERT INTO "runs" VALUES(1,'night','2x2x2','F2','pool','12','{"size": 3}','running','2026-01-31 12:00:00.000000','2026-01-31 12:00:00.000000',NULL,1000,1.5,7,NULL,'2026-01-31 12:00:00.000000',X'666C697073656172636820737461746520310A78013332E4AA56CA4D2C50B252A856CA492D4BCD01B2CC6B6B0153A20727',NULL);
CREATE TABLE schemes (
	id INTEGER NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	format VARCHAR(64) NOT NULL, 
	tabulated VARCHAR(64) NOT NULL, 
	ring VARCHAR(2) NOT NULL, 
	rank INTEGER NOT NULL, 
	nonzeros INTEGER NOT NULL, 
	additions INTEGER NOT NULL, 
	growth DOUBLE, 
	omega DOUBLE NOT NULL, 
	stored DATETIME NOT NULL, 
	verified DATETIME NOT NULL, invariants JSON, workers INTEGER, survives INTEGER, 
	CONSTRAINT pk_schemes PRIMARY KEY (id), 
	CONSTRAINT uq_schemes_hash UNIQUE (hash)
);
INSERT INTO "schemes" VALUES(1,'2371f2b5d46ac7f3e4d9a1febd86ffac4be647f2115c08b8b704c468cbe71a80','2x2x2','2x2x2','ZT',7,36,18,12.0,2.80735492205760417405e+00,'2026-01-31 12:00:00.000000','2026-01-31 12:00:00.000000','{"type": "6XYZ"}',NULL,NULL);
INSERT INTO "schemes" VALUES(2,'023903d55730c601a11df2ae014796b2210585dfe94429c96c3a2e20887e05e1','2x2x2','2x2x2','F2',7,36,18,NULL,2.80735492205760417405e+00,'2026-01-31 12:00:00.000000','2026-01-31 12:00:00.000000',NULL,NULL,NULL);
INSERT INTO "schemes" VALUES(3,'db6a63cc28e664ee94c34878e3f56f5d860c6a53b54254b74eeed957af1f07c6','ug:2x2x2','ug:2x2x2','ZT',6,18,2,2.0,3.00000000000000044408e+00,'2026-01-31 12:00:00.000000','2026-01-31 12:00:00.000000',NULL,NULL,NULL);
INSERT INTO "schemes" VALUES(4,'8e61fe6cb3c92d2a92da9955b5a68c83b876f8151b638103fa6d1d9d4f92f5bf','tensor:poly2x2:4388da14dfde','tensor:poly2x2:4388da14dfde','ZT',4,12,1,2.0,3.0,'2026-01-31 12:00:00.000000','2026-01-31 12:00:00.000000',NULL,4,0);
CREATE TABLE tensors (
	name VARCHAR(64) NOT NULL, 
	definition TEXT NOT NULL, 
	CONSTRAINT pk_tensors PRIMARY KEY (name)
);
INSERT INTO "tensors" VALUES('tensor:poly2x2:4388da14dfde','# name: poly2x2
# dimensions: 2 2 3
1 1 1 1
1 2 2 1
2 1 2 1
2 2 3 1
');
CREATE INDEX ix_schemes_best ON schemes (tabulated, ring, rank, additions, id);
CREATE INDEX ix_schemes_stored ON schemes (stored);
CREATE INDEX ix_provenance_run_id ON provenance (run_id);
COMMIT;
