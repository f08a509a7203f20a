# Read by the warm shell of one simulated phone (dash or mksh). The Android tools are functions that ask the model; a
# subshell runs each command. $SIM_FDS is the model's /proc/PID/fd: pipes are opened through it.
# fd 6: stdout of the tool that talks
# fd 7: requests to the model   fd 8: one token, held while a tool talks   fd 9: the model's answers

if (print -n x) >/dev/null 2>&1; then
	_words() { for _w; do print -nr -- "$_w"; print -n '\0'; done; }
else
	_words() { printf '%s\0' "$@"; }
fi

# _ask NAME ARGUMENTS...: the model writes the tool's output to this process' own stdout and stderr.
_ask() {
	read -r _token <&8
	exec 6>&1 # stdout under a number that stays while the request is written
	read -r _pid _rest </proc/self/stat
	_words "$_pid" "$#" "$@" >&7
	read -r _code <&9
	exec 6>&-
	echo >&8
	return "$_code"
}

service() { _ask service "$@"; }
content() {
	_drain
	_ask content "$@"
}
getprop() { _ask getprop "$@"; }
dumpsys() { _ask dumpsys "$@"; }
settings() { _ask settings "$@"; }
cmd() { _ask cmd "$@"; }
date() { _ask date "$@"; }
reboot() { _ask reboot "$@"; }
id() { _ask id "$@"; }
whoami() { _ask whoami "$@"; }
svc() { _ask svc "$@"; }
am() {
	_drain
	_ask am "$@"
}
appops() { _ask appops "$@"; }
input() { _ask input "$@"; }
locksettings() { _ask locksettings "$@"; }
logcat() { _ask logcat "$@"; }
uiautomator() { _ask uiautomator "$@"; }

# Tools of some vendors take whatever stands on the standard input, also the rest of a script that runs them.
_drain() {
	if [ -n "$SIM_TOOLS_READ_STDIN" ]; then
		while read -r _line; do :; done
	fi
}

# A shell in the shell: it reads its script from the standard input.
sh() {
	if [ $# -eq 0 ]; then
		(. /dev/stdin)
	else
		echo "sh: arguments are not simulated" >&2
		return 2
	fi
}

# Programs of the host, on the phone's own /data. (A redirection to /data is the shell's own and cannot be mapped:
# use "$ANDROID_DATA" there, which every Android sets.)
_on_phone() {
	_program=$1
	shift
	for _w; do
		shift
		case $_w in
			/data/*) set -- "$@" "$ANDROID_DATA${_w#/data}" ;;
			/proc/sys/kernel/random/boot_id) set -- "$@" "$ANDROID_DATA/boot_id" ;;
			*) set -- "$@" "$_w" ;;
		esac
	done
	command "$_program" "$@"
}
cat() {
	case $1 in
		/system/*) _ask cat "$@" ;;
		*) _on_phone cat "$@" ;;
	esac
}
cd() {
	case $1 in
		/data/*) command cd "$ANDROID_DATA${1#/data}" ;;
		*) command cd "$@" ;;
	esac
}
ls() { _on_phone ls "$@"; }
mkdir() { _on_phone mkdir "$@"; }
rm() { _on_phone rm "$@"; }
rmdir() { _on_phone rmdir "$@"; }
touch() { _on_phone touch "$@"; }

# One line for each command: pipe numbers, then the file that holds the command.
while read -r _in _out _err _exit _request _token_pipe _answer _command; do
	jobs >/dev/null 2>&1 # lets the shell forget the commands that have ended
	(
		exec <"$SIM_FDS/$_in" >"$SIM_FDS/$_out" 2>"$SIM_FDS/$_err"
		exec 7>"$SIM_FDS/$_request" 8<>"$SIM_FDS/$_token_pipe" 9<"$SIM_FDS/$_answer"
		read -r _pid _rest </proc/self/stat
		_words "$_pid" 0 >&7
		(
			. "$SIM_FDS/$_command"
		)
		echo $? >"$SIM_FDS/$_exit"
	) &
done
