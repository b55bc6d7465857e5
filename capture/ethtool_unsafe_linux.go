package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ifreqData is struct ifreq of netdevice(7) as SIOCETHTOOL wants it: the name,
// then a pointer, in 24 octets or what the machine's alignment makes of them.
type ifreqData struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [24 - unsafe.Sizeof(uintptr(0))]byte // ifreq is 40 octets on 64-bit machines, 32 on others: this is never less
}

// ethtool runs one command of linux/ethtool.h. arg begins with the command's
// number and is long enough for the answer, which replaces it.
func ethtool(iface string, arg []byte) error {
	if len(iface) >= unix.IFNAMSIZ {
		return fmt.Errorf("interface %q: %w", iface, unix.ENODEV)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var req ifreqData
	copy(req.name[:], iface)
	var pin runtime.Pinner
	pin.Pin(&arg[0])
	defer pin.Unpin()
	req.data = unsafe.Pointer(&arg[0])
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	err = unix.Close(fd)
	if errno != 0 {
		return errno
	}
	return err
}

// ethtoolValue runs a command that takes and gives one number (struct
// ethtool_value).
func ethtoolValue(iface string, cmd, value uint32) (uint32, error) {
	arg := binary.NativeEndian.AppendUint32(nil, cmd)
	arg = binary.NativeEndian.AppendUint32(arg, value)
	err := ethtool(iface, arg)
	return binary.NativeEndian.Uint32(arg[4:]), err
}

// unsupported tells that driver or kernel do not know a command.
func unsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL)
}
