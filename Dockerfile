# EDNAS with an SSH server, as a machine of a search (docs/machines.md): make image
FROM python:3.11-slim
RUN apt-get update && apt-get install --yes --no-install-recommends openssh-server rsync && rm -rf /var/lib/apt/lists/* && mkdir /run/sshd
WORKDIR /ednas
COPY . .
RUN pip install --no-cache-dir -c constraints.txt .
# Keys only; a tunnel back to the search. Put yours into /root/.ssh/authorized_keys.
RUN printf 'PasswordAuthentication no\nAllowTcpForwarding remote\n' > /etc/ssh/sshd_config.d/ednas.conf && rm -f /etc/ssh/ssh_host_*
CMD ["sh", "-c", "ssh-keygen -A && exec /usr/sbin/sshd -D -e"]
