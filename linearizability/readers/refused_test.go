package readers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// call is a line of Jepsen's that is fine, so that what follows is line 2.
const call = "{:process 7, :type :invoke, :f :write, :value 1}\n"

// What can't be read, with the exact line and reason.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		format, input string
		line          int
		reason        string
	}{
		// EDN itself.
		{"jepsen-edn", "", 0, "the file is empty"},
		{"jepsen-edn", "\n ; nothing\n", 0, "there is no operation in it"},
		{"jepsen-edn", "[]", 0, "there is no operation in it"},
		{"jepsen-edn", call + "{:process 0,\n:type :invoke", 3, "the file ends within what line 2 opened: '}' is missing"},
		{"jepsen-edn", call + "{:process 0,\n:f \"a\nb", 4, "the file ends within the string that line 3 opened"},
		{"jepsen-edn", call + "{:process 0]", 2, "']' closes what line 2 opened with another bracket"},
		{"jepsen-edn", call + "}", 2, "'}' closes nothing"},
		{"jepsen-edn", "[" + call, 2, "the file ends before ']' closes the history"},
		{"jepsen-edn", "[" + call + ")", 2, "')' closes nothing"},
		{"jepsen-edn", "[" + call + "] {}", 2, "'{' after the bracket that closes the history"},
		{"jepsen-edn", call + "{:process}", 2, "a map with a key that has no value"},
		{"jepsen-edn", call + "{:process 0,\n:process 1}", 3, ":process is there twice"},
		{"jepsen-edn", call + "{:value #{1 1N}}", 2, "1 is there twice"},
		{"jepsen-edn", call + "{:value #{[1 2] (1 2)}}", 2, "\"[1 2]\" is there twice"},
		{"jepsen-edn", call + "{:value {1 2 3 4 1 5}}", 2, "1 is there twice"},
		{"jepsen-edn", call + "{:value #{1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18\n18}}", 3, "18 is there twice"},
		{"jepsen-edn", call + "{:value 08}", 2, "08 is no number"},
		{"jepsen-edn", call + "{:value 1x}", 2, "1x is no number"},
		{"jepsen-edn", call + "{:value 1/0}", 2, "1/0 is no number"},
		{"jepsen-edn", call + "{:value 1e999}", 2, "1e999 is no number"},
		{"jepsen-edn", call + "{:value 1" + strings.Repeat("0", 1000) + "}", 2, "1" + strings.Repeat("0", 39) + "… is no number"},
		{"jepsen-edn", call + "{:value ##Infinity}", 2, "##Infinity is no number"},
		{"jepsen-edn", call + "{:value :}", 2, "a keyword without a name"},
		{"jepsen-edn", call + `{:value "\q"}`, 2, "a backslash before 'q' in a string"},
		{"jepsen-edn", call + `{:value "\u12g4"}`, 2, `\u without four hexadecimal digits`},
		{"jepsen-edn", call + `{:value "\ud800"}`, 2, "half of a surrogate pair in a string"},
		{"jepsen-edn", call + `{:value \abc}`, 2, `\abc is no character`},
		{"jepsen-edn", call + `{:value \`, 2, "a backslash before the end of the file"},
		{"jepsen-edn", call + "{:value #\"x\"}", 2, "# before '\"'"},
		{"jepsen-edn", call + "{:value #inst}", 2, "no form after the tag #inst"},
		{"jepsen-edn", call + "{:value #_}", 2, "no form after #_"},
		{"jepsen-edn", call + "{:value @a}", 2, "'@' where a form was expected"},
		{"jepsen-edn", call + "{:value \x00}", 2, `'\x00' where a form was expected`},
		{"jepsen-edn", call + "{:value\n\"\xff\"}", 3, "a byte that is not UTF-8"},
		{"jepsen-edn", call + "\n; \xc3\x28", 3, "a byte that is not UTF-8"},
		{"jepsen-edn", call + strings.Repeat("[", 200), 2, "collections nested more than 100 deep"},
		{"jepsen-edn", call + strings.Repeat("#_", 200), 2, "collections nested more than 100 deep"},
		{"jepsen-edn", call + "{:value \"" + strings.Repeat("x", formBytesMax) + "\"}", 2, "a record longer than 4194304 bytes"},
		// Records.
		{"jepsen-edn", call + "7", 2, "7 is no map of an operation"},
		{"jepsen-edn", call + "#inst \"2020\"", 2, `"#inst \"2020\"" is no map of an operation`},
		{"jepsen-edn", call + "{\"process\" 0}", 2, `"\"process\"" is a key of a record, where a keyword was expected`},
		{"jepsen-edn", call + "{:type :ok, :f :write}", 2, "no :process"},
		{"jepsen-edn", call + "{:process 0, :f :write}", 2, "no :type"},
		{"jepsen-edn", call + "{:process 0, :type :ok}", 2, "no :f"},
		{"jepsen-edn", call + "{:process 0, :type :done, :f :read}", 2, ":type is :done, which is none of :invoke, :ok, :fail, :info"},
		{"jepsen-edn", call + "{:process 0, :type \"ok\", :f :read}", 2, `:type is "\"ok\"", which is none of :invoke, :ok, :fail, :info`},
		{"jepsen-edn", call + "{:process 0, :type :ok,\n :f read}", 3, ":f is read, where a keyword was expected"},
		{"jepsen-edn", call + "{:process -1, :type :ok, :f :read}", 2, ":process is -1, which is neither a number from 0 nor :nemesis"},
		{"jepsen-edn", call + "{:process 2147483648, :type :ok, :f :read}", 2, ":process is 2147483648, which is neither a number from 0 nor :nemesis"},
		{"jepsen-edn", call + "{:process :client, :type :ok, :f :read}", 2, ":process is :client, which is neither a number from 0 nor :nemesis"},
		{"jepsen-edn", call + "{:time 5, :process 0, :type :invoke, :f :read}", 2, "some events have a :time and some have none"},
		{"jepsen-edn", "{:time 1.5, :process 0, :type :invoke, :f :read}", 1, ":time is 1.5, which is no integer in range"},
		{"jepsen-edn", "{:time 9223372036854775807, :process 0, :type :invoke, :f :read}", 1, ":time is 9223372036854775807, which is no integer in range"},
		{"jepsen-edn", "{:time -9223372036854775808, :process 0, :type :invoke, :f :read}", 1, ":time is -9223372036854775808, which is no integer in range"},
		{"jepsen-edn", "{:index 4, :process 0, :type :invoke, :f :read}\n{:index 4, :process 1, :type :invoke, :f :read}", 2, ":index 4 after :index 4: a history is in the order of its indices"},
		// Operations.
		{"jepsen-edn", call + "{:process 0, :type :invoke, :f :txn, :value [[:append 1 2]]}", 2, ":f is :txn, which belongs to transactions (list-append, rw-register); only :read, :write and :cas of registers can be checked"},
		{"jepsen-edn", call + "{:process 0, :type :invoke, :f :append, :value 2}", 2, ":f is :append, which belongs to list-append; only :read, :write and :cas of registers can be checked"},
		{"jepsen-edn", call + "{:process 0, :type :invoke, :f :add, :value 2}", 2, ":f is :add, which belongs to sets and counters; only :read, :write and :cas of registers can be checked"},
		{"jepsen-edn", call + "{:process 0, :type :invoke, :f :fly}", 2, ":f is :fly; only :read, :write and :cas of registers can be checked"},
		{"jepsen-edn", call + "{:process 7, :type :invoke, :f :write, :value 2}", 2, "process 7 invokes :write while what it invoked in line 1 has not completed"},
		{"jepsen-edn", call + "{:process 0, :type :ok, :f :write, :value 2}", 2, "process 0 completes :write, but invoked nothing"},
		{"jepsen-edn", call + "{:process 0, :type :info, :f :read}", 2, "process 0 completes :read, but invoked nothing"},
		{"jepsen-edn", call + "{:process 7, :type :ok, :f :read, :value 1}", 2, "process 7 completes :read, but invoked put 1 in line 1"},
		{"jepsen-edn", call + "{:process 7, :type :info, :f :cas, :value [1 2]}", 2, "process 7 completes :cas, but invoked put 1 in line 1"},
		{"jepsen-edn", call + "{:process 7, :type :ok, :f :write, :value 2}", 2, "process 7 completes :write with 2, but invoked put 1 on register in line 1"},
		{"jepsen-edn", "{:process 0, :type :invoke, :f :cas, :value [1 2]}\n{:process 0, :type :ok, :f :cas, :value [3 2]}", 2, "process 0 completes :cas with \"[3 2]\", but invoked put 2 if it equals 1 on register in line 1"},
		{"jepsen-edn", call + "{:process 0, :type :invoke, :f :write, :value nil}", 2, ":write of nil, which stands for a key that does not exist"},
		{"jepsen-edn", call + "{:process 0, :type :invoke, :f :cas, :value [1 nil]}", 2, ":cas of nil, which stands for a key that does not exist"},
		{"jepsen-edn", call + "{:process 0, :type :invoke, :f :cas, :value [1 2 3]}", 2, `:cas with "[1 2 3]", where [old new] was expected`},
		{"jepsen-edn", call + "{:process 0, :type :invoke, :f :read, :value 3}", 2, "a read is invoked with 3, where nil was expected"},
		{"jepsen-edn", call + "{:process 0, :type :invoke, :f :read, :value #jepsen/kv [1 nil]}", 2, `:read with a value with a key, "#jepsen/kv [1 nil]", but that in line 1 had none`},
		{"jepsen-edn", "{:process 0, :type :invoke, :f :read, :value [1 nil]}\n{:process 0, :type :ok, :f :read, :value 3}", 2, ":read with a value that is not [key argument], 3, but that in line 1 was"},
		{"jepsen-edn", "{:process 0, :type :invoke, :f :read, :value [1 nil]}\n{:process 0, :type :ok, :f :read, :value [2 3]}", 2, "process 0 completes an operation on key 2, but invoked one on 1 in line 1"},
		// Maelstrom.
		{"maelstrom", call, 1, ":write with a value that is not [key argument]: 1"},
		{"maelstrom", "{:process 0, :type :invoke, :f :write, :value [0 1]}\n{:process 0, :type :fail, :f :write, :value [0 1], :error :net-timeout}", 2, ":write failed by a timeout, which leaves unknown whether it took effect: :info was expected"},
		{"maelstrom", "{:process 0, :type :invoke, :f :cas, :value [0 [1 2]]}\n{:process 0, :type :fail, :f :cas, :value [0 [1 2]], :error [13 \"crash\"]}", 2, ":cas failed by a timeout, which leaves unknown whether it took effect: :info was expected"},
		{"maelstrom", "{:process 0, :type :invoke, :f :txn, :value [[:r 1 nil]]}", 1, ":f is :txn, which belongs to transactions (list-append, rw-register); only :read, :write and :cas of registers can be checked"},
		// Logs.
		{"jepsen-log", "\n \n", 0, "the file is empty"},
		{"jepsen-log", "\nWARN  jepsen.core - 0\t:invoke\t:read\tnil", 2, `WARN where "INFO  jepsen.util - " was expected to begin the line`},
		{"jepsen-log", "\nINFO  jepsen.core - Run complete", 2, `jepsen.core where "INFO  jepsen.util - " was expected to begin the line`},
		{"jepsen-log", "INFO  jepsen.util - 0\t:invoke\t:read", 1, "the line ends where a field was expected"},
		{"jepsen-log", "INFO  jepsen.util -", 1, "the line ends where a field was expected"},
		{"jepsen-log", "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2", 1, "the file ends within what line 1 opened: ']' is missing"},
		{"jepsen-log", "INFO  jepsen.util - 0\t:invoke\t:write\t1 2", 1, "'2' after 1"},
		{"jepsen-log", "INFO  jepsen.util - 0\t:start\t:write\t1", 1, ":type is :start, which is none of :invoke, :ok, :fail, :info"},
		{"jepsen-log", "INFO  jepsen.util - 0\t:invoke\t:write\t1\nINFO  jepsen.util - 0\t:fail\t:write\t:timed-out", 2, ":write failed by a timeout, which leaves unknown whether it took effect: :info was expected"},
		{"jepsen-log", "INFO  jepsen.util - 0\t:invoke\t:cas\t[0 1]\nINFO  jepsen.util - 0\t:fail\t:cas\t[1 0]", 2, `process 0 completes :cas with "[1 0]", but invoked put 1 if it equals 0 on register in line 1`},
		{"jepsen-log", "\n\nINFO  jepsen.util - 0\t:invoke\t:write\t\"\xff\"", 3, "a byte that is not UTF-8"},
		{"jepsen-log", "\n" + strings.Repeat("x", lineBytesMax+1), 2, "a line longer than 1048576 bytes"},
		// Porcupine's kv files.
		{"porcupine-kv", "", 0, "the file is empty"},
		{"porcupine-kv", "{:process 0, :type :invoke, :f :cas, :key \"k\", :value \"v\"}", 1, ":f is :cas, which is none of :get, :put, :append"},
		{"porcupine-kv", "{:process 0, :type :invoke, :f :get, :value nil}", 1, "no :key that is a string"},
		{"porcupine-kv", "{:process 0, :type :invoke, :f :get, :key 1, :value nil}", 1, "no :key that is a string"},
		{"porcupine-kv", "{:process :nemesis, :type :info, :f :start, :value nil}", 1, ":process is :nemesis, where a number was expected"},
		{"porcupine-kv", "{:process 0, :type :invoke, :f :put, :key \"k\", :value nil}", 1, ":put of nil, where a string was expected"},
		{"porcupine-kv", "{:process 0, :type :invoke, :f :get, :key \"k\", :value \"v\"}", 1, `a get is invoked with "\"v\"", where nil was expected`},
		{"porcupine-kv", "{:process 0, :type :invoke, :f :get, :key \"k\", :value nil}\n{:process 0, :type :ok, :f :get, :key \"k\", :value nil}", 2, ":get is :ok with nil, where a string was expected"},
		{"porcupine-kv", "{:process 0, :type :invoke, :f :get, :key \"k\", :value nil}\n{:process 0, :type :ok, :f :get, :key \"l\", :value \"v\"}", 2, "process 0 completes :get of l, but invoked get of k in line 1"},
		{"porcupine-kv", "{:process 0, :type :invoke, :f :put, :key \"k\", :value \"v\"}\n{:process 0, :type :ok, :f :put, :key \"k\", :value \"w\"}", 2, "process 0 completes :put with w, but invoked put v in line 1"},
		{"porcupine-kv", "{:process 0, :type :ok, :f :put, :key \"k\", :value \"w\"}", 1, "process 0 completes :put, but invoked nothing"},
		// Detection.
		{"auto", "", 0, "the file is empty"},
		{"auto", " \n", 0, "the file is empty"},
		{"auto", "INFO the server is up\n", 0, "no known format begins like this: name one of lockstep, jepsen-edn, jepsen-log, porcupine-kv, etcd-robustness, maelstrom"},
		{"auto", `{"name": "x", "list": [1]}`, 0, "no known format begins like this: name one of lockstep, jepsen-edn, jepsen-log, porcupine-kv, etcd-robustness, maelstrom"},
		{"auto", "{:a 1}", 0, "no known format begins like this: name one of lockstep, jepsen-edn, jepsen-log, porcupine-kv, etcd-robustness, maelstrom"},
		{"auto", "client,key,value\n", 0, "no known format begins like this: name one of lockstep, jepsen-edn, jepsen-log, porcupine-kv, etcd-robustness, maelstrom"},
		{"auto", call + "{:process 7, :type :ok}", 2, "no :f"},
	} {
		h, err := read1(c.format, c.input)
		require.Nil(t, h, c.input)
		require.Equal(t, &Error{File: "h", Line: c.line, Reason: c.reason}, err, "%s: %.200s", c.format, c.input)
	}
}
