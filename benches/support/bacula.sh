#!/bin/bash
# Bacula by itself: a private PostgreSQL, director, storage and file daemon under DIR, none of
# which touches an installed one. Storage is a file device, as its users first set it up.
#
#   bacula.sh prepare DIR            makes the catalog, empty; once
#   bacula.sh backup DIR SOURCE      one full backup into an empty catalog
#   bacula.sh restore DIR TARGET     all of the last backup into TARGET
#
# Daemons are started and stopped in each call and waited for, so that their times count.
# Exit code 3: not installed.
set -eu
verb=$1
dir=$2
path=${3-}
port=29101

for program in bacula-dir bacula-sd bacula-fd bconsole; do
    command -v $program >/dev/null || { echo "$program is not installed" >&2; exit 3; }
done
postgres=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
[ -n "$postgres" ] || { echo "PostgreSQL is not installed" >&2; exit 3; }

# PostgreSQL refuses to run as root.
as_postgres=()
[ "$(id -u)" != 0 ] || as_postgres=(setpriv --reuid postgres --regid postgres --clear-groups)

start_postgres() {
    "${as_postgres[@]}" "$postgres/postgres" -D "$dir/db" -k "$dir/db" -h '' >"$dir/postgres.log" 2>&1 &
    database=$!
    until "$postgres/pg_isready" -q -h "$dir/db"; do sleep 0.05; done
}

stop_postgres() {
    kill -INT "$database"
    wait "$database" || true
}

prepare() {
    rm -rf "$dir"
    mkdir -p "$dir/empty"
    [ "$(id -u)" != 0 ] || chown postgres "$dir" "$dir/empty"
    "${as_postgres[@]}" "$postgres/initdb" -D "$dir/empty" -A trust -U postgres -E SQL_ASCII --locale=C \
        >"$dir/initdb.log"
    cp -a "$dir/empty" "$dir/db"
    start_postgres
    "$postgres/createdb" -h "$dir/db" -U postgres bacula
    PGHOST=$dir/db PGUSER=postgres db_name=bacula \
        /usr/share/bacula-director/make_postgresql_tables >"$dir/tables.log" 2>&1
    stop_postgres
    rm -rf "$dir/empty"
    mv "$dir/db" "$dir/empty"
}

configure() {
    local common="WorkingDirectory = $dir/work; PidDirectory = $dir/work"
    cat >"$dir/dir.conf" <<END
Director { Name = dir; DirAddress = 127.0.0.1; DIRport = $port; Password = p; Messages = m
    QueryFile = /etc/bacula/scripts/query.sql; $common; Maximum Concurrent Jobs = 4 }
Job { Name = backup; Type = Backup; Level = Full; Client = fd; FileSet = all; Storage = file
    Pool = pool; Messages = m; Spool Attributes = yes }
Job { Name = restore; Type = Restore; Client = fd; FileSet = all; Storage = file; Pool = pool
    Messages = m; Where = /nowhere }
FileSet { Name = all; Include { Options { Signature = MD5 } File = "$path" } }
Client { Name = fd; Address = 127.0.0.1; FDPort = $((port + 1)); Catalog = c; Password = p }
Storage { Name = file; Address = 127.0.0.1; SDPort = $((port + 2)); Password = p; Device = file
    Media Type = File }
Catalog { Name = c; dbname = bacula; dbuser = postgres; dbpassword = ""; DB Address = "$dir/db" }
Pool { Name = pool; Pool Type = Backup; Label Format = "volume-" }
Messages { Name = m; append = "$dir/job.log" = all, !skipped, !saved }
END
    cat >"$dir/sd.conf" <<END
Storage { Name = sd; SDAddress = 127.0.0.1; SDPort = $((port + 2)); $common }
Director { Name = dir; Password = p }
Device { Name = file; Media Type = File; Archive Device = $dir/volumes; LabelMedia = yes
    Random Access = yes; AutomaticMount = yes; RemovableMedia = no; AlwaysOpen = no }
Messages { Name = m; director = dir = all }
END
    cat >"$dir/fd.conf" <<END
FileDaemon { Name = fd; FDAddress = 127.0.0.1; FDPort = $((port + 1)); $common }
Director { Name = dir; Password = p }
Messages { Name = m; director = dir = all, !skipped, !restored }
END
    cat >"$dir/console.conf" <<END
Director { Name = dir; Address = 127.0.0.1; DIRport = $port; Password = p }
END
}

ask() {
    bconsole -c "$dir/console.conf" >"$dir/console.log"
}

run() {
    rm -f "$dir/job.log"
    mkdir -p "$dir/work" "$dir/volumes"
    configure
    start_postgres
    bacula-sd -f -c "$dir/sd.conf" >"$dir/sd.log" 2>&1 & local sd=$!
    bacula-fd -f -c "$dir/fd.conf" >"$dir/fd.log" 2>&1 & local fd=$!
    bacula-dir -f -c "$dir/dir.conf" >"$dir/dir.log" 2>&1 & local director=$!
    until (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        kill -0 "$director" 2>/dev/null || { cat "$dir/dir.log" "$dir/job.log" >&2; exit 1; }
        sleep 0.05
    done
    printf '%s\nwait\nquit\n' "$1" | ask
    kill "$director" "$fd" "$sd"
    wait "$director" "$fd" "$sd" || true
    stop_postgres
    grep -q "Termination: *\(Backup\|Restore\) OK *$" "$dir/job.log" ||
        { cat "$dir/job.log" "$dir/console.log" >&2; exit 1; }
}

case $verb in
prepare) prepare ;;
backup)
    rm -rf "$dir/db" "$dir/volumes"
    cp -a "$dir/empty" "$dir/db"
    run "run job=backup yes"
    ;;
restore)
    run "restore client=fd where=$path select current all done yes"
    ;;
*) exit 2 ;;
esac
