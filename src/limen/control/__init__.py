"""What may be done: verbs, one folder a subject. Each verb is a plain function over a transaction, audited."""
