package evidence

// The frameworks, as they call themselves. Each list is in the order of its framework.

func soc2() []Control {
	const framework = "SOC 2 (Trust Services Criteria 2017)"
	return []Control{
		{
			ID: "soc2-cc6.1", Framework: framework, Reference: "CC6.1",
			Asks:     "Logical access to what must be protected is restricted",
			Does:     "Nobody has standing access through Curfew: each grant needs a decision by a policy, has a deadline, and is a log-in or right of its own at the target. Credentials are sealed to their requesters",
			Leaves:   "Access that people have without Curfew; networks, hosts, encryption of the targets' data",
			Commands: []string{"curfew grants --all", "curfew requests --all", "curfew list"},
		},
		{
			ID: "soc2-cc6.2", Framework: framework, Reference: "CC6.2",
			Asks:     "Users are registered and authorised before they are given credentials, and lose them when they are no longer authorised",
			Does:     "Credentials are issued only under a grant whose decision, reviews and policy version are kept; who leaves the directory or loses what made them eligible loses live grants at once when a source tells of it, and at the next reload when the configuration does",
			Leaves:   "Who is hired and who is in the directory: Curfew believes its configuration and the sources that it names",
			Commands: []string{"curfew requests --all", "curfew audit --after 0"},
		},
		{
			ID: "soc2-cc6.3", Framework: framework, Reference: "CC6.3",
			Asks:     "Access is given, changed and removed by role, with least privilege and separation of duties",
			Does:     "Policies give single permissions for a bounded time; reviews compare persons, so that nobody agrees to their own request; removal is read back at the target",
			Leaves:   "What the permissions stand for at each target; reviewing the policies themselves",
			Commands: []string{"curfew grants --all", "curfew findings --all", "curfewd check"},
		},
		{
			ID: "soc2-cc7.2", Framework: framework, Reference: "CC7.2",
			Asks:     "Systems are watched for anomalies that could be attacks, errors or disasters",
			Does:     "Targets are compared with the books every few minutes; access that the books do not explain is a finding; overdue access is a metric with an alert",
			Leaves:   "Everything but access that Curfew gives: hosts, networks, what people do with their access",
			Commands: []string{"curfew findings --all", "curfew audit --follow"},
		},
		{
			ID: "soc2-cc7.3", Framework: framework, Reference: "CC7.3",
			Asks:     "Security events are judged as to whether they are incidents",
			Does:     "Each finding says what kind it is, when it was found, whether it was removed or who accepted it and why",
			Leaves:   "The judgement, and keeping a record of it beyond the reason for accepting",
			Commands: []string{"curfew findings --all"},
		},
		{
			ID: "soc2-cc7.4", Framework: framework, Reference: "CC7.4",
			Asks:     "Incidents are responded to by a defined programme",
			Does:     "One command freezes a person, a connector or everything and takes live access back; lifting it takes an administrator whom it does not cover, and a reason",
			Leaves:   "The programme: who decides, who is told, what is learned",
			Commands: []string{"curfew freezes", "curfew audit --after 0"},
		},
	}
}

func pci() []Control {
	const framework = "PCI DSS 4.0"
	return []Control{
		{
			ID: "pci-7.2", Framework: framework, Reference: "7.2",
			Asks:     "Access to system components and data is defined and assigned by job and need, approved, and reviewed",
			Does:     "Requests name an entitlement, a duration and a reason; the deciding policy, reviewers and approval are kept with each grant; access ends by itself, so that periodic reviews find less to remove",
			Leaves:   "The access control model, the six-monthly review of accounts that exist without Curfew",
			Commands: []string{"curfew grants --all", "curfew requests --all"},
		},
		{
			ID: "pci-8.2", Framework: framework, Reference: "8.2",
			Asks:     "Users and accounts are identified uniquely and managed through their life; shared accounts only by exception",
			Does:     "Where a connector makes log-ins, each grant has one of its own that is named for its principal and is removed at the end; who had which is in the books for ever",
			Leaves:   "Identities in the directory; inactivity limits of accounts that Curfew did not make",
			Commands: []string{"curfew grants --all", "curfew audit --after 0"},
		},
		{
			ID: "pci-8.6", Framework: framework, Reference: "8.6",
			Asks:     "System and application accounts that can be used interactively are managed strictly; their passwords are not written into scripts or files of configuration",
			Does:     "Services and agents ask like people, each owned by a person; the configuration refuses a secret that is written out; exec gives a credential to one command and gives it back",
			Leaves:   "Curfew's own accounts at the targets: their passwords are yours to keep and to change",
			Commands: []string{"curfewd check", "curfew grants --all"},
		},
		{
			ID: "pci-10.2", Framework: framework, Reference: "10.2",
			Asks:     "Audit logs support finding anomalies and reconstructing events",
			Does:     "Every change of state has an entry in the transaction of the change: actor, subject, time, from, to; each fetch of a credential has one",
			Leaves:   "What was done with the access: that is in the target's logs, under the log-in that Curfew names",
			Commands: []string{"curfew audit --after 0", "curfew audit export"},
		},
		{
			ID: "pci-10.3", Framework: framework, Reference: "10.3",
			Asks:     "Audit logs are protected from destruction and unauthorised changes",
			Does:     "Entries are numbered without gaps, refused to be changed or removed by the database, and held against a signed head outside of it; export sends them elsewhere",
			Leaves:   "Where exports are kept, and who may read them",
			Commands: []string{"curfew audit verify", "curfew audit export"},
		},
		{
			ID: "pci-10.4", Framework: framework, Reference: "10.4",
			Asks:     "Audit logs are reviewed",
			Does:     "Entries can be followed as they come, filtered, and exported to where logs are reviewed; findings and overdue access are singled out and alarmed",
			Leaves:   "The reviewing",
			Commands: []string{"curfew audit --follow", "curfew findings --all"},
		},
		{
			ID: "pci-10.5", Framework: framework, Reference: "10.5",
			Asks:     "Audit log history is retained: twelve months, three of them at hand",
			Does:     "Entries, requests and grants are never removed; backups hold them",
			Leaves:   "Keeping the store and its backups for that long",
			Commands: []string{"curfew audit export", "curfewd backup"},
		},
	}
}

func sox() []Control {
	const framework = "SOX (IT general controls, access)"
	return []Control{
		{
			ID: "sox-provisioning", Framework: framework, Reference: "Provisioning",
			Asks:     "Access to financial systems is approved before it is given, and is what was approved",
			Does:     "A review is bound to a hash of what was asked and to the policies that asked for it, and is compared again before anything is done",
			Leaves:   "Which systems count, and which policies they need",
			Commands: []string{"curfew requests --all", "curfew grants --all"},
		},
		{
			ID: "sox-removal", Framework: framework, Reference: "Removal",
			Asks:     "Access is removed in time when it is no longer needed",
			Does:     "Every grant has a deadline; removal is tried for ever and read back; what is overdue is shown until it is gone; leaving the directory ends live grants",
			Leaves:   "Telling Curfew that somebody has left; access that was given without it",
			Commands: []string{"curfew grants --all", "curfew findings --all"},
		},
		{
			ID: "sox-privileged", Framework: framework, Reference: "Privileged access and separation of duties",
			Asks:     "Privileged access is limited and watched, and nobody controls a transaction alone",
			Does:     "Privileged entitlements can need reviews in stages; nobody reviews their own request under any account; two administrators attest together or not at all",
			Leaves:   "Whoever controls a node or its configuration: changes to those want your change control",
			Commands: []string{"curfew requests --all", "curfew audit --after 0", "curfewd check"},
		},
	}
}

func hipaa() []Control {
	const framework = "HIPAA Security Rule (45 CFR)"
	return []Control{
		{
			ID: "hipaa-164.308a4", Framework: framework, Reference: "§164.308(a)(4)",
			Asks:     "Policies and procedures authorise access to electronic protected health information",
			Does:     "Policies are versioned texts that decide each request; every decision is kept with the input that it saw",
			Leaves:   "Which systems hold such information; isolating clearinghouse functions; the written procedures",
			Commands: []string{"curfew requests --all", "curfewd check"},
		},
		{
			ID: "hipaa-164.312a2", Framework: framework, Reference: "§164.312(a)(2)",
			Asks:     "Unique user identification, emergency access, automatic logoff, encryption",
			Does:     "Log-ins are one person's, for one grant; open sessions end with the grant where the target can end them; credentials and plans are sealed at rest",
			Leaves:   "Emergency access as a procedure of its own; logoff of idle sessions; encryption of the information itself",
			Commands: []string{"curfew grants --all", "curfew findings --all"},
		},
		{
			ID: "hipaa-164.312b", Framework: framework, Reference: "§164.312(b)",
			Asks:     "Activity in systems with such information is recorded and examined",
			Does:     "Who had access, why, who agreed, when it was removed and how that was read back is recorded",
			Leaves:   "Activity under the access: the target's own audit log, which names the same log-ins",
			Commands: []string{"curfew audit --after 0", "curfew audit export"},
		},
	}
}

func gdpr() []Control {
	const framework = "GDPR"
	return []Control{
		{
			ID: "gdpr-art5", Framework: framework, Reference: "Art. 5",
			Asks:     "Personal data is processed for stated purposes, as little and as briefly as possible, securely, and demonstrably so",
			Does:     "Access to personal data has a stated reason and an end; words of people stand apart from the log's entries, which hold salted commitments to them",
			Leaves:   "Purposes and legal bases; how long your own books of access are kept",
			Commands: []string{"curfew requests --all", "curfew audit --after 0"},
		},
		{
			ID: "gdpr-art17", Framework: framework, Reference: "Art. 17",
			Asks:     "Personal data is erased on request where nothing stands against it",
			Does:     "What the log holds of a person's words can be erased without breaking what proves the rest: an entry whose salt is gone still stands and says nothing",
			Leaves:   "Deciding whether a duty to keep stands against it; backups and exports that were taken before",
			Commands: []string{"curfew audit --after 0"},
		},
		{
			ID: "gdpr-art25", Framework: framework, Reference: "Art. 25",
			Asks:     "Data protection by design and by default",
			Does:     "By default nobody has access; what is given is bounded in time and, by the connector's permissions, in extent; no metric, trace or log line of health names a person",
			Leaves:   "The design of the systems behind Curfew",
			Commands: []string{"curfew list", "curfewd check"},
		},
		{
			ID: "gdpr-art30", Framework: framework, Reference: "Art. 30",
			Asks:     "Records of processing activities, with recipients and security measures",
			Does:     "Shows who had access to which system in a period, which helps to keep the column of recipients true",
			Leaves:   "The record itself",
			Commands: []string{"curfew grants --all"},
		},
		{
			ID: "gdpr-art32", Framework: framework, Reference: "Art. 32",
			Asks:     "Security appropriate to the risk: confidentiality, integrity, availability, restoring, regular testing",
			Does:     "Access ends and is read back as ended; backups are restored into a state that takes back what was live; the promises are tested under faults, and the tests are yours to run",
			Leaves:   "The appraisal of the risk; pseudonymisation and encryption of the data behind Curfew",
			Commands: []string{"curfew grants --all", "curfewd backup"},
		},
	}
}

func iso27001() []Control {
	const framework = "ISO/IEC 27001:2022, Annex A"
	return []Control{
		{
			ID: "iso-a5.15", Framework: framework, Reference: "A.5.15",
			Asks:     "Rules for access to information are set by business and security requirements",
			Does:     "The rules are policies in files, checked as a whole, with a digest that stands with every decision",
			Leaves:   "The requirements, and who owns which asset",
			Commands: []string{"curfewd check", "curfew list"},
		},
		{
			ID: "iso-a5.16", Framework: framework, Reference: "A.5.16",
			Asks:     "The full life of identities is managed",
			Does:     "Principals belong to persons; services and agents have owners; the end of a principal ends what is live",
			Leaves:   "The identities' life before and after: joining, changing, leaving",
			Commands: []string{"curfew whoami", "curfew audit --after 0"},
		},
		{
			ID: "iso-a5.17", Framework: framework, Reference: "A.5.17",
			Asks:     "Authentication information is allocated and managed so that it stays secret",
			Does:     "Credentials for targets are random, made for one grant, sealed to the requester's key, and worthless afterwards; each fetch is recorded",
			Leaves:   "Bearer tokens for Curfew itself, and passwords of Curfew's own accounts: yours to choose, hand out and change",
			Commands: []string{"curfew audit --after 0", "curfew grants --all"},
		},
		{
			ID: "iso-a5.18", Framework: framework, Reference: "A.5.18",
			Asks:     "Access rights are provisioned, reviewed, changed and removed by the rules",
			Does:     "The whole life of a grant is in the books, with the reading that showed it gone; rights that were there before are left alone and told apart",
			Leaves:   "Reviews of rights that exist without Curfew",
			Commands: []string{"curfew grants --all", "curfew findings --all"},
		},
		{
			ID: "iso-a8.2", Framework: framework, Reference: "A.8.2",
			Asks:     "Privileged access rights are restricted and managed",
			Does:     "Privileged rights are given for hours in place of for good, after reviews by whom the policy names; roles that would let their holder outlive the grant are refused where the connector can tell",
			Leaves:   "Root on the nodes, administrators of the targets, and Curfew's own accounts",
			Commands: []string{"curfew grants --all", "curfew requests --all", "curfew findings --all"},
		},
	}
}
