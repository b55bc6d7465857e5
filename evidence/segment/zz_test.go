package segment
import ("testing";"os";"runtime/pprof";"time")
func TestMain(m *testing.M){ go func(){ time.Sleep(5*time.Second); f,_ := os.Create("/tmp/segment/stacks"); pprof.Lookup("goroutine").WriteTo(f,2); f.Close() }(); os.Exit(m.Run()) }
