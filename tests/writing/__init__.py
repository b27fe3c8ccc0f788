"""What the writer's tests share: a database with users, a writer, and a look at the rows."""
