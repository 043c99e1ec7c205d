#!/usr/bin/env bash
# One role and one database for each service that has data; neither role can enter the other's database.
#
# Run by the PostgreSQL container on its first start. The passwords come from <SERVICE>_DATABASE_PASSWORD.
set -euo pipefail

for service in auth catalog; do
    password_variable=${service^^}_DATABASE_PASSWORD
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
        --set=name="$service" --set=password="${!password_variable:?}" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
