"""Reading a script: every command in it is classed, and the script has the highest class of them."""

from collections.abc import Sequence

from tree_sitter import Node

from policies.commands import redirections, said
from policies.commands.classes import NOTHING, Class, Classed, NotUnderstood, together
from policies.commands.conditions import tested
from policies.commands.options import check, given
from policies.commands.parsing import children, parse
from policies.commands.rules import Rule, Rules
from policies.commands.words import Word, text, word_of
from policies.commands.wrappers import SEEN

_DEEPEST = 48  # nodes inside nodes
_MOST_INSIDE = 8  # scripts inside scripts
_MOST_SCRIPTS = 32  # in all
# What a node may hold besides commands: everything else is not understood.
_SIGNS = {
    "program": frozenset((";", "&", "\n")),
    "list": frozenset(("&&", "||")),
    "subshell": frozenset(("(", ")", ";", "&")),
    "compound_statement": frozenset(("{", "}", ";", "&")),
    "negated_command": frozenset(("!",)),
    "if_statement": frozenset(("if", "then", "fi", ";", "&")),
    "elif_clause": frozenset(("elif", "then", ";", "&")),
    "else_clause": frozenset(("else", ";", "&")),
    "while_statement": frozenset(("while", "until", ";", "&")),
    "do_group": frozenset(("do", "done", ";", "&")),
    "command_substitution": frozenset(("$(", ")", "`", ";", "&")),
    "process_substitution": frozenset(("<(", ">(", ")", ";", "&")),
}


class Reading:
    """One command line being read."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.inside = 0
        self.scripts = 0

    def script(self, written: str) -> Classed:
        """The class of a script. Raises NotUnderstood."""
        self.scripts += 1
        if self.inside >= _MOST_INSIDE or self.scripts > _MOST_SCRIPTS:
            raise NotUnderstood("scripts inside scripts, too many to follow")
        self.inside += 1
        try:
            found = self.node(parse(written), None, 0)
        finally:
            self.inside -= 1
        if found is NOTHING:
            raise NotUnderstood(NOTHING.rule)
        return found

    def node(self, node: Node, stdin: str | None, depth: int) -> Classed:
        """The class of one node. Raises NotUnderstood."""
        if depth > _DEEPEST:
            raise NotUnderstood("commands inside commands, too many to follow")
        match node.type:
            case "command":
                return self._simple(node, (), stdin, depth)
            case "pipeline":
                return self.piped(children(node), stdin, depth)
            case "redirected_statement":
                return self._redirected(node, stdin, depth)
            case "for_statement":
                return self._for(node, depth)
            case "test_command":
                return tested(node)
            case "variable_assignment" | "variable_assignments":
                return self._assigned(node, depth)
            case "declaration_command" if text(node).startswith("export "):
                return self._assigned(node, depth)
        signs = _SIGNS.get(node.type)
        if signs is None:
            raise NotUnderstood(f"{node.type.replace('_', ' ')}: not looked into", text(node))
        found = NOTHING
        last = None
        for child in children(node):
            if child.is_named:
                # What a list reads from outside, its last command may read; earlier ones may have taken it all.
                found, last = together(found, self.node(child, None, depth + 1)), child
            elif child.type not in signs:
                raise NotUnderstood("a sign that is out of place", child.type)
            elif child.type == "&":
                word = text(last) if last is not None else "&"
                found = together(
                    found.raised(Class.LOCAL, "left running", word),
                    Classed(by=Class.READ, rule="left running", leaves_running=True),
                )
        return found

    def piped(self, nodes: Sequence[Node], stdin: str | None, depth: int) -> Classed:
        """Commands, each reading what the one before says."""
        found = NOTHING
        for node in nodes:
            if node.is_named:
                found = together(found, self.node(node, stdin, depth + 1))
                stdin = said.by(node, stdin)
            elif node.type not in ("|", "|&"):
                raise NotUnderstood("a sign that is out of place", node.type)
        return found

    def command(self, words: Sequence[Word], stdin: str | None = None) -> Classed:
        """The class of a program with its words. Raises NotUnderstood."""
        name = words[0].literal
        return self.ruled(self.rules.rule(name), words[1:], name, stdin)

    def ruled(self, rule: Rule, words: Sequence[Word], word: str, stdin: str | None) -> Classed:
        """The class of a program that this rule is about."""
        if rule.sees:
            return SEEN[rule.sees](self, rule, words, word, stdin)
        found = given(rule, words, to_first_operand=bool(rule.subcommands))
        if found.ended:
            return rule.answered(word)
        classed = rule.classed(word)
        for by, option in found.raised:
            classed = classed.raised(by, f"{rule.name} {option}", option)
        if rule.subcommands and found.operands:
            name = found.operands[0].literal
            sub = rule.subcommands.get(name)
            if sub is None:
                raise NotUnderstood(f"{rule.name}: no rule knows this subcommand", name)
            inner = self.ruled(sub, found.operands[1:], name, stdin)
            # The class of the program is what it does without a subcommand; options before it still count.
            return inner if not found.raised else together(inner, classed)
        if rule.subcommands and rule.by is Class.READ:
            # Without one, some only say how they are used, and tmux opens a session.
            raise NotUnderstood(f"{rule.name}: without a subcommand", word)
        check(rule, found)
        return classed

    def assign(self, name: str) -> None:
        """Raises NotUnderstood for a variable that may change what programs do."""
        if not self.rules.variables.fullmatch(name):
            raise NotUnderstood("a variable that may change what programs do", name)

    def substitutions(self, words: Sequence[Word], depth: int) -> Classed:
        """Scripts that run when these words are expanded."""
        found = NOTHING
        for word in words:
            for node in word.scripts:
                inner = self.node(node, None, depth + 1)
                found = together(found, inner.raised(Class.LOCAL, "a substitution", text(node)))
        return found

    def _simple(self, node: Node, more: Sequence[Word], stdin: str | None, depth: int) -> Classed:
        words: list[Word] = []
        found = NOTHING
        end = -1
        for child in children(node):
            if child.start_byte == end:
                raise NotUnderstood("words without a blank between them", text(node))
            end = child.end_byte
            match child.type:
                case "variable_assignment":
                    found = together(found, self._assigned(child, depth))
                case "command_name":
                    words.append(word_of(child.children[0]))
                case "file_redirect" | "herestring_redirect":
                    redirected = redirections.read(child, stdin)
                    found, stdin = together(found, redirected.classed), redirected.stdin
                    words += redirected.words
                    found = together(found, self.substitutions(redirected.targets, depth))
                case _:
                    words.append(word_of(child))
        words += more
        if not words:
            return found
        ran = self.command(words, stdin)
        return together(ran, together(found, self.substitutions(words, depth)))

    def _assigned(self, node: Node, depth: int) -> Classed:
        """Assignments: `name=value`, several, or exported."""
        if node.type != "variable_assignment":
            found = NOTHING
            for child in children(node):
                if child.type == "variable_assignment":
                    found = together(found, self._assigned(child, depth))
                elif child.type != "export":
                    raise NotUnderstood("a declaration that is not looked into", text(node))
            return found
        parts = children(node)
        kinds = [part.type for part in parts[:2]]
        if kinds != ["variable_name", "="] or len(parts) > 3:
            raise NotUnderstood("an assignment that is not looked into", text(node))
        self.assign(text(parts[0]))
        values = [word_of(part) for part in parts[2:]]
        classed = Classed(by=Class.READ, rule="an assignment", word=text(parts[0]), anywhere=False)
        return together(classed, self.substitutions(values, depth))

    def _for(self, node: Node, depth: int) -> Classed:
        words: list[Word] = []
        found = NOTHING
        for child in children(node):
            match child.type:
                case "variable_name":
                    self.assign(text(child))
                case "do_group":
                    found = together(found, self.node(child, None, depth + 1))
                case "for" | "in" | ";":
                    pass
                case _ if child.is_named:
                    words.append(word_of(child))
                case _:
                    raise NotUnderstood("a sign that is out of place", child.type)
        return together(found, self.substitutions(words, depth))

    def _redirected(self, node: Node, stdin: str | None, depth: int) -> Classed:
        body: Node | None = None
        found = NOTHING
        words: list[Word] = []
        then: list[Node] = []
        reads = False
        for child in children(node):
            if child.type not in redirections.KINDS:
                if body is not None or not child.is_named:
                    raise NotUnderstood("a redirection that is not looked into", text(node))
                body = child
                continue
            redirected = redirections.read(child, stdin)
            reads = reads or redirected.reads
            found, stdin = together(found, redirected.classed), redirected.stdin
            found = together(found, self.substitutions(redirected.targets, depth))
            for inner in redirected.scripts:
                found = together(found, self.node(inner, None, depth + 1).raised(Class.LOCAL, "a substitution"))
            words += redirected.words
            then += redirected.then
        if body is None:
            return found
        if body.type == "command":
            ran = self._simple(body, words, stdin, depth + 1)
        elif words:
            raise NotUnderstood("a redirection that is not looked into", text(node))
        else:
            if reads and body.type == "pipeline":
                # It belongs to the last command, which then reads no pipe.
                raise NotUnderstood("a redirection that is not looked into", text(node))
            ran = self.node(body, None if reads else stdin, depth + 1)
        found = together(ran, found)
        if then:
            output = None if words else said.by(body, stdin)
            found = together(found, self.piped(then, output, depth))
        return found
