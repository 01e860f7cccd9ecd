# A client of umqtt.simple's: mqtt_umqtt.py BROKER PORT. Says what it gets; ends after "bye".

import sys

from umqtt.simple import MQTTClient

broker, port = sys.argv[1], int(sys.argv[2])
seen = []


def got(topic, message):
    print(topic.decode(), len(message), message[:20].decode())
    seen.append(message)


client = MQTTClient("ours", broker, port, keepalive=60, ssl=port == 8883)
client.set_callback(got)
client.set_last_will("will", "gone", retain=False, qos=1)
client.connect()
client.subscribe("to/us", qos=1)
client.publish("from/us", "x" * 20000)
client.publish("from/us", "kept", retain=True, qos=1)
client.subscribe("from/us")
client.ping()
client.check_msg()
print("ready")
while b"bye" not in seen:
    client.wait_msg()
client.disconnect()
