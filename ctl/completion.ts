/** The bash completion of remusctl, from its table of commands. */
import { commands, type CommandSpec } from './commands.js';

/** What a word of the table stands for; a word that is not here is not completed. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ['VM', 'vms'],
  ['NODE', 'nodes'],
  ['COMMAND', 'commands'],
  ['FILE', 'files'],
  ['DURATION', 'durations'],
  ['FILE|VM', 'files-or-vms'],
]);

const kindOf = (word: string): string => KINDS.get(word.replace(/^\[(.*)\]$/, '$1')) ?? 'nothing';

function commandCase({ name, words, options }: CommandSpec): string {
  const flags = [...options, { name: 'help' }].map((option) => `--${option.name}`);
  const values = options.flatMap(({ name: option, value }) =>
    value === undefined ? [] : [`--${option}=${kindOf(value)}`],
  );
  return [
    `    ${name})`,
    `      options='${flags.join(' ')}'`,
    `      values=' ${values.join(' ')} '`,
    `      words=(${words.map(kindOf).join(' ')})`,
    '      ;;',
  ].join('\n');
}

const SCRIPT = `# shellcheck shell=bash
# Completion of remusctl, made from its table of commands (ctl/commands.ts) by npm run build.

# _remusctl_names PROGRAM KEY: the values of a key in what remusd on this node says. compgen expands its words,
# so whatever does not look like a name is left out.
_remusctl_names() {
  timeout 3 "$1" status --json 2>/dev/null |
    grep -oE "\\"$2\\": ?\\"[A-Za-z0-9_.-]+\\"" | sed 's/"$//; s/.*"//' | sort -u
}

# _remusctl_of PROGRAM KIND: the candidates of a kind.
_remusctl_of() {
  case $2 in
    vms | files-or-vms) _remusctl_names "$1" resource ;;
    nodes) _remusctl_names "$1" node ;;
    commands) echo '@NAMES@' ;;
    durations) echo '30m 1h 8h 2d' ;;
  esac
}

# _remusctl_table COMMAND: sets options, values and words.
_remusctl_table() {
  options='' values=' ' words=()
  case $1 in
@CASES@
    *) return 1 ;;
  esac
}

_remusctl() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local options values words kind='' candidates='' place=0 i
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    candidates='@NAMES@ --help --version'
  elif _remusctl_table "\${COMP_WORDS[1]}"; then
    # --to=NODE reaches us as three words.
    if [ "$cur" = = ]; then cur=''; elif [ "$prev" = = ]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi
    case $values in
      *" $prev="*)
        kind=\${values#*" $prev="}
        candidates=$(_remusctl_of "\${COMP_WORDS[0]}" "\${kind%% *}")
        ;;
      *)
        for ((i = 2; i < COMP_CWORD; i++)); do
          case \${COMP_WORDS[i]} in
            -*) case $values in *" \${COMP_WORDS[i]}="*) i=$((i + 1)) ;; esac ;;
            *) place=$((place + 1)) ;;
          esac
        done
        kind=\${words[place]:-nothing}
        case $cur in -*) kind=nothing ;; esac
        candidates=$(_remusctl_of "\${COMP_WORDS[0]}" "$kind")
        [ "$kind" != nothing ] || candidates=$options
        ;;
    esac
  fi
  case $kind in
    files | files-or-vms)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <({ compgen -W "$candidates" -- "$cur"; compgen -f -- "$cur"; } | sort -u)
      return
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$cur")
}

complete -F _remusctl remusctl
`;

export function completion(): string {
  const names = commands.map(({ name }) => name).join(' ');
  const cases = commands.map(commandCase).join('\n');
  return SCRIPT.replaceAll('@NAMES@', () => names).replace('@CASES@', () => cases);
}
